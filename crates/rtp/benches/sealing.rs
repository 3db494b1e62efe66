//! What SRTP costs: nanoseconds to seal and to open one packet, by profile and length of the payload, writing the
//! header and keeping the books included. Sealing and sending are the floor of a media plane. Prints a table and appends to
//! `target/bench/results.jsonl`.
#![allow(clippy::print_stdout, missing_docs)]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use conclave_rtp::srtp::{Inbound, Outbound, Profile, Side, pair};
use conclave_rtp::{
    ExtensionId, ExtensionIds, ExtensionValues, MAX_PACKET, OutgoingHeader, PayloadType, Ssrc, write_header,
};

/// A voice, and a picture's packet.
const LENGTHS: [usize; 2] = [160, 1_200];
/// Packets that are sealed, then opened, in one go: they stay in the cache, as those of one batch do.
const BATCH: usize = 64;
/// Batches of one measurement, and how many of those. The fastest counts: whatever else runs only adds.
const BATCHES: usize = 400;
const MEASUREMENTS: usize = 15;

fn main() {
    println!("{:>24} {:>8} {:>10} {:>10}", "profile", "bytes", "seal, ns", "open, ns");
    let results = results_file();
    for (name, run) in CASES {
        for length in LENGTHS {
            let (seal, open) = measure(run, length);
            println!("{name:>24} {length:>8} {seal:>10.1} {open:>10.1}");
            for (metric, value) in [("seal", seal), ("open", open)] {
                let Some(mut file) = results.as_ref() else { continue };
                let case = format!("{name} {length} bytes");
                let line = format!(
                    r#"{{"bench":"sealing","case":"{case}","metric":"{metric}","value":{value:.1},"unit":"ns/packet"}}"#
                );
                // A figure that cannot be kept has been printed.
                let _ = writeln!(file, "{line}");
            }
        }
    }
}

type Run = fn(usize) -> (f64, f64);

const CASES: [(&str, Run); 4] = [
    ("AES-128-GCM alone", cipher_alone),
    ("AEAD_AES_128_GCM", |length| run(Profile::AeadAes128Gcm, length)),
    ("AEAD_AES_256_GCM", |length| run(Profile::AeadAes256Gcm, length)),
    ("AES128_CM_HMAC_SHA1_80", |length| run(Profile::Aes128CmHmacSha1_80, length)),
];

/// Nanoseconds to seal and to open one packet.
fn measure(run: Run, length: usize) -> (f64, f64) {
    let (seals, opens) = (0..MEASUREMENTS).map(|_| run(length)).collect::<(Vec<_>, Vec<_>)>();
    (fastest(&seals), fastest(&opens))
}

/// What the library's cipher takes, without anything of ours around it.
fn cipher_alone(length: usize) -> (f64, f64) {
    const HEADER: usize = 20;
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &[7; 16]).expect("16 bytes are a key"));
    let mut packets = [[0; MAX_PACKET]; BATCH];
    let (mut seal, mut open) = (Duration::ZERO, Duration::ZERO);
    for batch in 0..BATCHES as u64 {
        let nonce = |number: usize| {
            let mut nonce = [0; 12];
            nonce[..8].copy_from_slice(&(batch * BATCH as u64 + number as u64).to_be_bytes());
            Nonce::assume_unique_for_key(nonce)
        };
        let started = clock();
        for (number, packet) in packets.iter_mut().enumerate() {
            let (head, rest) = packet.split_at_mut(HEADER);
            let (payload, behind) = rest.split_at_mut(length);
            let tag = key.seal_in_place_separate_tag(nonce(number), Aad::from(&*head), payload).expect("short enough");
            behind[..16].copy_from_slice(tag.as_ref());
        }
        seal += started.elapsed();
        let started = clock();
        for (number, packet) in packets.iter_mut().enumerate() {
            let (head, sealed) = packet.split_at_mut(HEADER);
            key.open_in_place(nonce(number), Aad::from(&*head), &mut sealed[..length + 16]).expect("sealed before");
        }
        open += started.elapsed();
    }
    (each(seal), each(open))
}

fn run(profile: Profile, length: usize) -> (f64, f64) {
    let (mut outbound, mut inbound) = ends(profile);
    let mut packets = [[0; MAX_PACKET]; BATCH];
    let (mut seal, mut open) = (Duration::ZERO, Duration::ZERO);
    let mut number = 0;
    for _ in 0..BATCHES {
        let mut sealed = 0;
        let started = clock();
        for packet in &mut packets {
            let header = head(packet, number as u16);
            sealed = outbound
                .protect_rtp(packet, header, header + length, number)
                .expect("a new number, and room for the tag");
            number += 1;
        }
        seal += started.elapsed();
        let started = clock();
        for packet in &mut packets {
            inbound.unprotect_rtp(&mut packet[..sealed]).expect("sealed with the same keys");
        }
        open += started.elapsed();
    }
    (each(seal), each(open))
}

fn ends(profile: Profile) -> (Outbound, Inbound) {
    let material = (0..profile.keying_material_length()).map(|byte| byte as u8).collect::<Vec<_>>();
    let (_, outbound) = pair(profile, &material, Side::DtlsServer).expect("the right length");
    let (inbound, _) = pair(profile, &material, Side::DtlsClient).expect("the right length");
    (outbound, inbound)
}

/// A header as it leaves: with a transport-wide sequence number.
fn head(packet: &mut [u8], sequence: u16) -> usize {
    let header = OutgoingHeader {
        payload_type: PayloadType::new(96).expect("below 128"),
        marker: false,
        padding: false,
        sequence,
        timestamp: 3_000,
        ssrc: Ssrc(7),
    };
    let ids = ExtensionIds { transport_sequence: ExtensionId::new(3), ..ExtensionIds::default() };
    let values = ExtensionValues { transport_sequence: Some(sequence), ..ExtensionValues::default() };
    write_header(packet, &header, &ids, &values).expect("a packet has room for its header")
}

fn each(spent: Duration) -> f64 {
    spent.as_nanos() as f64 / (BATCH * BATCHES) as f64
}

fn fastest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

#[expect(clippy::disallowed_methods, reason = "the clock measures the core from outside")]
fn clock() -> Instant {
    Instant::now()
}

#[allow(clippy::disallowed_types, reason = "the figures are kept outside of the core")]
fn results_file() -> Option<fs::File> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    fs::create_dir_all(&folder).ok()?;
    OpenOptions::new().create(true).append(true).open(folder.join("results.jsonl")).ok()
}
