//! Every input that fuzzing found worth keeping runs as an ordinary test.

use std::fs;
use std::path::Path;

fn run(target: &str, function: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut inputs = 0;
    for entry in fs::read_dir(&folder).expect("the corpus is part of the repository") {
        let path = entry.expect("a readable folder").path();
        let data = fs::read(&path).expect("a readable input");
        // What is captured is shown when the test fails: the input that did it is the last one named.
        println!("{}", path.display());
        function(&data);
        inputs += 1;
    }
    assert!(inputs > 0, "{} is empty", folder.display());
}

#[test]
fn messages_from_a_browser() {
    run("client_frame", conclave_fuzz::client_frame);
}

#[test]
fn vp8_payloads_to_rewrite() {
    run("vp8_rewrite", conclave_fuzz::vp8_rewrite);
}

#[test]
fn vp9_payloads() {
    run("vp9", conclave_fuzz::vp9);
}

#[test]
fn dependency_descriptors() {
    run("dependency_descriptor", conclave_fuzz::dependency_descriptor);
}

#[test]
fn sounds_with_redundancy() {
    run("red", conclave_fuzz::red);
}

#[test]
fn layered_streams_on_bad_networks() {
    run("svc_rewrite", |data| {
        conclave_fuzz::svc_rewrite(data);
    });
    // One that forwards next to nothing no longer tests forwarding. Of the second, more than half is forwarded only
    // when what was missing before it comes.
    for (name, least) in [("vp9-changing", 100), ("av1-late-key-pictures", 200)] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/svc_rewrite").join(name);
        let forwarded = conclave_fuzz::svc_rewrite(&fs::read(&path).expect("part of the repository"));
        assert!(forwarded > least, "{name} forwards only {forwarded}");
    }
}

#[test]
fn packets_to_forward() {
    run("forwarding", |data| {
        conclave_fuzz::forwarding(data);
    });
}

#[test]
fn first_bytes() {
    run("demux", conclave_fuzz::demux);
}

#[test]
fn framed_streams() {
    run("framing", conclave_fuzz::framing);
}

#[test]
fn headers_of_proxies() {
    run("proxy", conclave_fuzz::proxy);
}

#[test]
fn fragments_of_descriptions() {
    run("sdp_fragment", conclave_fuzz::sdp_fragment);
}

#[test]
fn packets_to_relay() {
    run("turn", |data| {
        conclave_fuzz::turn(data);
    });
}

#[test]
fn reports_to_estimate_from() {
    run("controllers", |data| {
        conclave_fuzz::controllers(data);
    });
}

#[test]
fn estimates_of_the_corpus_rise() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/controllers/honest");
    let data = fs::read(&path).expect("part of the repository");
    let highest = conclave_fuzz::controllers(&data);
    assert!(highest.iter().all(|rate| *rate > 400_000), "it no longer tests estimation: {highest:?}");
}

#[test]
fn flexfec_packets() {
    run("flexfec", |data| {
        conclave_fuzz::flexfec(data);
    });
}

#[test]
fn ulpfec_packets() {
    run("ulpfec", |data| {
        conclave_fuzz::ulpfec(data);
    });
}

#[test]
fn parity_of_the_own_code() {
    run("reed_solomon", |data| {
        conclave_fuzz::reed_solomon(data);
    });
}

#[test]
fn packets_to_ask_for() {
    run("nack", |data| {
        conclave_fuzz::nack(data);
    });
}

#[test]
fn packets_of_the_corpus_are_made_again() {
    let read = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        fs::read(&path).expect("part of the repository")
    };
    assert_eq!(conclave_fuzz::flexfec(&read("flexfec/standard")), 2);
    assert_eq!(conclave_fuzz::flexfec(&read("flexfec/draft")), 2);
    assert_eq!(conclave_fuzz::ulpfec(&read("ulpfec/stream")), 2);
    assert_eq!(conclave_fuzz::reed_solomon(&read("reed_solomon/frames")), 3);
    assert!(conclave_fuzz::nack(&read("nack/losses")) > 10, "next to nothing is asked for");
}

#[test]
fn rtp_headers() {
    run("rtp_header", conclave_fuzz::rtp_header);
}

#[test]
fn sound_and_pictures_to_play() {
    run("playout", |data| {
        conclave_fuzz::playout(data);
    });
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/playout/call");
    let data = fs::read(&path).expect("part of the repository");
    let (frames, sounds) = conclave_fuzz::playout(&data);
    assert!(frames > 100 && sounds > 300, "{frames} frames, {sounds} blocks: it no longer tests playing");
}

#[test]
fn packets_for_bearers() {
    run("bearer", |data| {
        conclave_fuzz::bearer(data);
    });
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/bearer/call");
    let (sent, dropped) = conclave_fuzz::bearer(&fs::read(&path).expect("part of the repository"));
    assert!(sent > 500 && dropped > 50, "{sent} packets, {dropped} frames dropped: it no longer tests bearers");
}

#[test]
fn rtcp_compounds() {
    run("rtcp", |data| {
        conclave_fuzz::rtcp(data);
    });
}

#[test]
fn streams_to_receive() {
    run("receiver", |data| {
        conclave_fuzz::receiver(data);
    });
}

#[test]
fn streams_to_send() {
    run("sender", |data| {
        conclave_fuzz::sender(data);
    });
}

#[test]
fn losses_of_the_corpus_are_repaired() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/sender/call");
    let data = fs::read(&path).expect("part of the repository");
    assert!(conclave_fuzz::sender(&data) > 20, "next to nothing is sent again: it no longer tests retransmission");
}

#[test]
fn streams_of_the_corpus_are_received() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/receiver/call");
    let data = fs::read(&path).expect("part of the repository");
    assert!(conclave_fuzz::receiver(&data) > 50, "next to nothing is received: it no longer tests receiving");
}

#[test]
fn relaying_of_the_corpus_relays() {
    for meeting in ["relay-to-relay", "through-the-sfu"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/turn").join(meeting);
        let data = fs::read(&path).expect("part of the repository");
        assert!(conclave_fuzz::turn(&data) >= 4, "{meeting} relays next to nothing: it no longer tests relaying");
    }
}

#[test]
fn calls_of_the_corpus_are_calls() {
    for call in ["vp8-call", "h264-call"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/forwarding").join(call);
        let data = fs::read(&path).expect("part of the repository");
        assert!(
            conclave_fuzz::forwarding(&data) > 20,
            "{call} forwards next to nothing: it no longer tests forwarding"
        );
    }
}
