//! The RFCs' vectors, libsrtp's, and what an attacker or a bad network does.

use super::cipher::Cipher;
use super::derivation::{AUTHENTICATION_KEY, Keys, Label, derive};
use super::profile::Master;
use super::{Inbound, NotSealed, Outbound, Profile, Rejected, Side, pair};
use crate::MAX_PACKET;

const HEADER: usize = 12;

fn hex(text: &str) -> Vec<u8> {
    let digits = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<_>>();
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("a hexadecimal digit") as u8;
    digits.chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// Both ends of one direction, under the same keys.
fn ends(profile: Profile) -> (Outbound, Inbound) {
    let material = (0..profile.keying_material_length()).map(|byte| byte as u8).collect::<Vec<_>>();
    let (_, outbound) = pair(profile, &material, Side::DtlsServer).expect("the right length");
    let (inbound, _) = pair(profile, &material, Side::DtlsClient).expect("the right length");
    (outbound, inbound)
}

fn rtp(ssrc: u32, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend(sequence.to_be_bytes());
    packet.extend([0, 0, 0, 1]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

fn sealed(outbound: &mut Outbound, ssrc: u32, sequence: u64) -> Vec<u8> {
    let plain = rtp(ssrc, sequence as u16, b"payload");
    let mut packet = [0; MAX_PACKET];
    packet[..plain.len()].copy_from_slice(&plain);
    let length = outbound.protect_rtp(&mut packet, HEADER, plain.len(), sequence).expect("sealable");
    packet[..length].to_vec()
}

fn open(inbound: &mut Inbound, packet: &[u8]) -> Result<u64, Rejected> {
    let mut packet = packet.to_vec();
    let plain = inbound.unprotect_rtp(&mut packet)?;
    assert_eq!(&packet[HEADER..plain.length], b"payload");
    Ok(plain.index)
}

#[test]
fn keys_are_derived_as_rfc_3711_appendix_b_3_shows() {
    let key = hex("E1F97A0D3E018BE0D64FA32C06DE4139");
    let salt = hex("0EC675AD498AFEEBB6960B3AABE6");
    let master = Master { key: &key, salt: &salt };
    assert_eq!(derive(&master, Label::RtpKey)[..16], hex("C61E7A93744F39EE10734AFE3FF7A087"));
    assert_eq!(derive(&master, Label::RtpSalt)[..14], hex("30CBBC08863D8C85D49DB34A9AE1"));
    let authentication = hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4");
    assert_eq!(derive(&master, Label::RtpAuthentication)[..AUTHENTICATION_KEY], authentication);
}

/// RFC 6188 section 7.2: the pseudo-random function of keys of 256 bits.
#[test]
fn keys_of_256_bits_are_derived_as_rfc_6188_shows() {
    let key = hex("f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6");
    let salt = hex("3b04803de51ee7c96423ab5b78d2");
    let master = Master { key: &key, salt: &salt };
    let derived = hex("5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4");
    assert_eq!(derive(&master, Label::RtpKey)[..], derived);
    assert_eq!(derive(&master, Label::RtpSalt)[..14], hex("fa31791685ca444a9e07c6c64e93"));
    let authentication = hex("fd9c32d39ed5fbb5a9dc96b30818454d1313dc05");
    assert_eq!(derive(&master, Label::RtpAuthentication)[..AUTHENTICATION_KEY], authentication);
}

/// RFC 7714 section 16: session keys, not master keys.
#[test]
fn aead_packets_are_sealed_as_rfc_7714_section_16_shows() {
    let plain =
        hex("8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573");
    let cases = [
        (
            Profile::AeadAes128Gcm,
            "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce",
        ),
        (
            Profile::AeadAes256Gcm,
            "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13",
        ),
    ];
    for (profile, expected) in cases {
        let cipher = session_cipher(profile);
        let mut packet = [0; MAX_PACKET];
        packet[..plain.len()].copy_from_slice(&plain);
        let ssrc = crate::Ssrc(0x5501_a0b2);
        let length = cipher.seal_rtp(&mut packet, HEADER, plain.len(), ssrc, 0xf17b);
        assert_eq!(packet[..HEADER], plain[..HEADER]);
        assert_eq!(packet[HEADER..length], hex(expected), "{profile:?}");
        let opened = cipher.open_rtp(&mut packet[..length], HEADER, ssrc, 0xf17b).expect("what was sealed opens");
        assert_eq!(packet[..opened], plain);
    }
}

/// RFC 7714 section 17.
#[test]
fn aead_reports_are_sealed_as_rfc_7714_section_17_shows() {
    let plain =
        hex("81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef");
    let cases = [
        (
            Profile::AeadAes128Gcm,
            "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4",
        ),
        (
            Profile::AeadAes256Gcm,
            "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
        ),
    ];
    for (profile, expected) in cases {
        let cipher = session_cipher(profile);
        let mut packet = [0; MAX_PACKET];
        packet[..plain.len()].copy_from_slice(&plain);
        let ssrc = crate::Ssrc(u32::from_be_bytes(*b"Mars"));
        let length = cipher.seal_rtcp(&mut packet, plain.len(), ssrc, 0x5d4);
        assert_eq!(packet[..length], hex(expected), "{profile:?}");
        assert_eq!(cipher.rtcp_index(&packet[..length]), Some((0x5d4, true)));
        let opened = cipher.open_rtcp(&mut packet[..length], ssrc, 0x5d4).expect("what was sealed opens");
        assert_eq!(packet[..opened], plain);
    }
}

fn session_cipher(profile: Profile) -> Cipher {
    let key = (0..32).collect::<Vec<u8>>();
    Cipher::new(profile, &key[..profile.key_length()], &[], b"Quid pro quo")
}

/// From master keys on, so that the derivation for salts of 12 bytes is in it: the vectors of libsrtp's
/// `srtp_validate` and `srtp_validate_gcm`.
#[test]
fn whole_packets_are_sealed_as_libsrtp_seals_them() {
    let media = hex("800f1234decafbadcafebabeabababababababababababababababab");
    let report = hex("81c8000bcafebabeabababababababababababababababab");
    let counter_mode = (hex("e1f97a0d3e018be0d64fa32c06de4139"), hex("0ec675ad498afeebb6960b3aabe6"));
    let gcm = (hex("000102030405060708090a0b0c0d0e0f"), hex("a0a1a2a3a4a5a6a7a8a9aaab"));
    let cases = [
        (
            Profile::Aes128CmHmacSha1_80,
            counter_mode,
            "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb",
            "81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798",
        ),
        (
            Profile::AeadAes128Gcm,
            gcm,
            "800f1234decafbadcafebabec5002ede04cfdd2eb91159e0880aa06ed2976826f796b201df3131a127e8a392",
            "81c8000bcafebabec98b8b5df0392a55852b6c21ac8e7025c52c6fbea2b3b446ea31123ba88ce61e80000001",
        ),
    ];
    for (profile, (key, salt), sealed_media, sealed_report) in cases {
        let keys = || Keys::derive(profile, &Master { key: &key, salt: &salt });
        let (mut outbound, mut inbound) = (Outbound::new(keys()), Inbound::new(keys()));
        let mut packet = [0; MAX_PACKET];

        packet[..media.len()].copy_from_slice(&media);
        let length = outbound.protect_rtp(&mut packet, HEADER, media.len(), 0x1234).expect("sealable");
        assert_eq!(packet[..length], hex(sealed_media), "{profile:?}");
        let plain = inbound.unprotect_rtp(&mut packet[..length]).expect("what was sealed opens");
        assert_eq!(packet[..plain.length], media);

        packet[..report.len()].copy_from_slice(&report);
        let length = outbound.protect_rtcp(&mut packet, report.len()).expect("sealable");
        assert_eq!(packet[..length], hex(sealed_report), "{profile:?}");
        let length = inbound.unprotect_rtcp(&mut packet[..length]).expect("what was sealed opens");
        assert_eq!(packet[..length], report);
    }
}

#[test]
fn each_side_opens_what_the_other_seals_and_not_its_own() {
    for profile in Profile::ALL {
        let material = (0..profile.keying_material_length()).map(|byte| byte as u8 ^ 0x5a).collect::<Vec<_>>();
        let (mut at_client, mut by_client) = pair(profile, &material, Side::DtlsClient).expect("the right length");
        let (mut at_server, mut by_server) = pair(profile, &material, Side::DtlsServer).expect("the right length");
        let (from_client, from_server) = (sealed(&mut by_client, 1, 7), sealed(&mut by_server, 1, 7));
        assert_eq!(open(&mut at_client, &from_client), Err(Rejected::Forged));
        assert_eq!(open(&mut at_server, &from_client), Ok(7));
        assert_eq!(open(&mut at_client, &from_server), Ok(7));
        assert!(pair(profile, &material[1..], Side::DtlsClient).is_err());
    }
}

#[test]
fn a_packet_that_comes_again_is_replayed_and_a_changed_one_forged() {
    for profile in Profile::ALL {
        let (mut outbound, mut inbound) = ends(profile);
        let first = sealed(&mut outbound, 1, 100);
        assert_eq!(open(&mut inbound, &first), Ok(100));
        assert_eq!(open(&mut inbound, &first), Err(Rejected::Replayed));
        let second = sealed(&mut outbound, 1, 101);
        for at in 0..second.len() {
            let mut changed = second.clone();
            changed[at] ^= 1;
            let opened = open(&mut inbound, &changed);
            assert!(opened.is_err(), "{profile:?}: a change at {at} opened as {opened:?}");
        }
        assert_eq!(open(&mut inbound, &second), Ok(101));
        for length in 0..second.len() {
            assert!(open(&mut inbound, &second[..length]).is_err());
        }
        let counters = inbound.counters();
        assert_eq!(counters.opened, 2);
        assert!(counters.replayed >= 1 && counters.forged > 20 && counters.malformed > 12, "{counters:?}");
    }
}

#[test]
fn packets_may_be_late_by_less_than_the_window() {
    let (mut outbound, mut inbound) = ends(Profile::AeadAes128Gcm);
    let (old, late) = (sealed(&mut outbound, 1, 1_000), sealed(&mut outbound, 1, 1_001));
    let newest = sealed(&mut outbound, 1, 1_000 + 1_024);
    assert_eq!(open(&mut inbound, &newest), Ok(2_024));
    assert_eq!(open(&mut inbound, &late), Ok(1_001));
    assert_eq!(open(&mut inbound, &old), Err(Rejected::Replayed));
}

#[test]
fn the_rollover_counter_follows_a_wrap_that_comes_out_of_order() {
    for profile in Profile::ALL {
        let (mut outbound, mut inbound) = ends(profile);
        let order = [65_530u64, 65_534, 65_538, 65_533, 65_535, 65_537, 65_531, 65_536, 65_532];
        let packets = (65_530..65_540).map(|number| sealed(&mut outbound, 1, number)).collect::<Vec<_>>();
        for number in order {
            assert_eq!(open(&mut inbound, &packets[number as usize - 65_530]), Ok(number));
        }
    }
}

#[test]
fn a_source_is_followed_when_its_first_packets_beyond_a_wrap_were_lost() {
    for start in [65_535u64, 65_536, 70_000, 65_536 + 65_536, 190_000] {
        let (mut outbound, mut inbound) = ends(Profile::AeadAes256Gcm);
        let packet = sealed(&mut outbound, 1, start);
        assert_eq!(open(&mut inbound, &packet), Ok(start));
        let next = sealed(&mut outbound, 1, start + 1);
        assert_eq!(open(&mut inbound, &next), Ok(start + 1));
    }
}

#[test]
fn a_source_is_found_again_after_more_packets_were_lost_than_its_counter_could_follow() {
    for lost in [20_000u64, 40_000, 60_000, 66_000, 100_000, 200_000] {
        let (mut outbound, mut inbound) = ends(Profile::Aes128CmHmacSha1_80);
        let first = sealed(&mut outbound, 1, 5);
        assert_eq!(open(&mut inbound, &first), Ok(5));
        let found = (0..32).position(|n| {
            let packet = sealed(&mut outbound, 1, 5 + lost + n);
            open(&mut inbound, &packet) == Ok(5 + lost + n)
        });
        assert!(found.is_some(), "after {lost} lost packets");
    }
}

#[test]
fn forged_packets_do_not_make_a_source_be_lost() {
    let (mut outbound, mut inbound) = ends(Profile::AeadAes128Gcm);
    for number in 0..600u64 {
        let packet = sealed(&mut outbound, 1, number * 50);
        for jump in [1u16, 300, 20_000, 40_000] {
            let mut forged = packet.clone();
            let sequence = (number as u16).wrapping_mul(50).wrapping_add(jump);
            forged[2..4].copy_from_slice(&sequence.to_be_bytes());
            assert!(open(&mut inbound, &forged).is_err());
        }
        assert_eq!(open(&mut inbound, &packet), Ok(number * 50));
    }
}

#[test]
fn one_source_more_than_a_leg_may_have_is_refused_and_forged_ones_take_no_place() {
    let (mut outbound, mut inbound) = ends(Profile::AeadAes128Gcm);
    for ssrc in 0..1_000 {
        let mut forged = rtp(ssrc, 1, b"payload");
        forged.extend([0; 16]);
        assert_eq!(open(&mut inbound, &forged), Err(Rejected::Forged));
    }
    for ssrc in 0..256 {
        let packet = sealed(&mut outbound, ssrc, 1);
        assert_eq!(open(&mut inbound, &packet), Ok(1));
    }
    let packet = sealed(&mut outbound, 256, 1);
    assert_eq!(open(&mut inbound, &packet), Err(Rejected::TooManySources));
    let packet = sealed(&mut outbound, 255, 2);
    assert_eq!(open(&mut inbound, &packet), Ok(2));
}

#[test]
fn reports_that_come_again_or_are_not_encrypted_are_refused() {
    for profile in Profile::ALL {
        let (mut outbound, mut inbound) = ends(profile);
        let mut report = [0; MAX_PACKET];
        report[..8].copy_from_slice(&[0x80, 201, 0, 1, 0, 0, 0, 9]);
        let length = outbound.protect_rtcp(&mut report, 8).expect("sealable");
        let sealed = report[..length].to_vec();
        assert_eq!(inbound.unprotect_rtcp(&mut sealed.clone()), Ok(8));
        assert_eq!(inbound.unprotect_rtcp(&mut sealed.clone()), Err(Rejected::Replayed));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 0x80;
            assert!(inbound.unprotect_rtcp(&mut changed).is_err());
        }
        for length in 0..sealed.len() {
            assert!(inbound.unprotect_rtcp(&mut sealed[..length].to_vec()).is_err());
        }
    }
}

#[test]
fn no_number_is_sealed_twice() {
    let (mut outbound, _) = ends(Profile::AeadAes128Gcm);
    sealed(&mut outbound, 1, 7);
    let mut packet = [0; 100];
    packet[..19].copy_from_slice(&rtp(1, 7, b"another"));
    assert_eq!(outbound.protect_rtp(&mut packet, HEADER, 19, 7), Err(NotSealed::Reused));
    assert_eq!(outbound.protect_rtp(&mut packet, HEADER, 19, 7 + (1 << 48)), Err(NotSealed::KeysUsedUp));
    assert_eq!(outbound.protect_rtp(&mut packet[..34], HEADER, 19, 65_536 + 7), Err(NotSealed::NoRoom));
    assert_eq!(outbound.protect_rtp(&mut packet, HEADER, 11, 65_536 + 7), Err(NotSealed::NoRoom));
    assert_eq!(outbound.protect_rtp(&mut packet[..35], HEADER, 19, 65_536 + 7), Ok(35));
}

#[test]
fn keys_are_never_printed() {
    let (outbound, inbound) = ends(Profile::AeadAes128Gcm);
    let printed = format!("{outbound:?} {inbound:?}");
    assert!(!printed.contains('['), "{printed}");
    assert_eq!(format!("{:?}", session_cipher(Profile::AeadAes128Gcm)), "***");
}
