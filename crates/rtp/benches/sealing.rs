//! What SRTP costs: nanoseconds to seal and to open one packet, by profile and length of the payload, writing the
//! header and keeping the books included. Sealing and sending are the floor of a media plane. Prints a table and appends to
//! `target/bench/results.jsonl`.
#![allow(clippy::print_stdout, missing_docs)]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

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
    for profile in Profile::ALL {
        for length in LENGTHS {
            let (seal, open) = measure(profile, length);
            println!("{:>24} {length:>8} {seal:>10.1} {open:>10.1}", name(profile));
            for (metric, value) in [("seal", seal), ("open", open)] {
                let Some(mut file) = results.as_ref() else { continue };
                let case = format!("{} {length} bytes", name(profile));
                let line = format!(
                    r#"{{"bench":"sealing","case":"{case}","metric":"{metric}","value":{value:.1},"unit":"ns/packet"}}"#
                );
                // A figure that cannot be kept has been printed.
                let _ = writeln!(file, "{line}");
            }
        }
    }
}

const fn name(profile: Profile) -> &'static str {
    match profile {
        Profile::AeadAes128Gcm => "AEAD_AES_128_GCM",
        Profile::AeadAes256Gcm => "AEAD_AES_256_GCM",
        Profile::Aes128CmHmacSha1_80 => "AES128_CM_HMAC_SHA1_80",
    }
}

/// Nanoseconds to seal and to open one packet.
fn measure(profile: Profile, length: usize) -> (f64, f64) {
    let (mut seals, mut opens) = (Vec::new(), Vec::new());
    for _ in 0..MEASUREMENTS {
        let (seal, open) = run(profile, length);
        seals.push(seal);
        opens.push(open);
    }
    (fastest(&seals), fastest(&opens))
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
