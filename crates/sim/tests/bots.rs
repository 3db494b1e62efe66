//! Two bots, one that sends and one that receives, over a network in memory and in virtual time.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conclave_qos::{Bitrate, Time};
use conclave_sim::media::{CameraConfig, Clip, VideoCodec};
use conclave_sim::peer::{Bot, BotConfig, BotReport, Moment, Outbox, Sends};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const ONE_WAY: Duration = Duration::from_millis(10);
const STEP: Duration = Duration::from_millis(1);

struct End {
    bot: Bot,
    address: SocketAddr,
    due: Time,
    /// On the way to it: arrival, sender, packet.
    coming: VecDeque<(Time, SocketAddr, Vec<u8>)>,
}

struct Network {
    ends: [End; 2],
    now: Time,
    /// Share of RTP that is lost on the way to the receiver.
    loss: f64,
    random: ChaCha8Rng,
}

fn moment(time: Time) -> Moment {
    // Any day will do.
    Moment { time, wall: Duration::from_secs(1_795_000_000) + time.to_duration() }
}

impl Network {
    /// The first sends a voice and a picture, the second receives them.
    fn connected(codec: VideoCodec, loss: f64) -> Self {
        let camera = CameraConfig {
            clip: Arc::new(Clip::sample(codec, 360)),
            frames_per_second: 25,
            rate: Some(Bitrate::kbps(800)),
            even: false,
            key_frames_every: None,
            payload_bytes: 1_100,
        };
        let sends = vec![
            Sends::Microphone { mid: "0".to_owned(), talkative: 0.5 },
            Sends::Camera { mid: "1".to_owned(), layers: vec![(None, camera)] },
        ];
        let config =
            |seed, sends| BotConfig { seed, stamps: Some(0), sends, receives: Vec::new(), sampled: true, sink: false };
        let epoch = Instant::now();
        let end = |config: BotConfig, address: &str| {
            let address = address.parse().expect("an address");
            let bot = Bot::new(config, epoch, Time::default(), address).expect("made");
            End { bot, address, due: Time::default(), coming: VecDeque::new() }
        };
        let mut sender = end(config(1, sends), "192.0.2.1:1000");
        let mut receiver = end(config(2, Vec::new()), "192.0.2.2:2000");
        let answer = receiver.bot.answer(&sender.bot.offer()).expect("understood");
        sender.bot.accept_answer(&answer).expect("understood");
        let mut network =
            Self { ends: [sender, receiver], now: Time::default(), loss, random: ChaCha8Rng::seed_from_u64(7) };
        while network.ends.iter().any(|end| end.bot.report().connected.is_none()) {
            assert!(network.now < Time::since_start(Duration::from_secs(10)), "connected within ten seconds");
            network.step();
        }
        network
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
        }
    }

    fn step(&mut self) {
        self.now = self.now + STEP;
        let now = moment(self.now);
        for index in 0..2 {
            let mut outbox = Outbox::default();
            let end = &mut self.ends[index];
            let mut arrived = false;
            while end.coming.front().is_some_and(|(at, ..)| *at <= self.now) {
                let Some((_, from, mut packet)) = end.coming.pop_front() else { break };
                end.bot.handle_packet(now, now.wall, from, &mut packet);
                arrived = true;
            }
            if !arrived && end.due > self.now {
                continue;
            }
            end.due = end.bot.poll(now, &mut outbox);
            let (from, remote) = (end.address, end.bot.remote());
            let media =
                outbox.media.packets(0..outbox.media.len()).filter_map(|packet| Some((remote?, packet.to_vec())));
            for (to, packet) in outbox.other.drain(..).chain(media.collect::<Vec<_>>()) {
                let is_rtp = matches!(packet[..], [128..=191, kind, ..] if !(64..=95).contains(&(kind & 0x7f)));
                let is_lost = is_rtp && index == 0 && self.random.random_bool(self.loss);
                let other = &mut self.ends[1 - index];
                if to == other.address && !is_lost {
                    other.coming.push_back((self.now + ONE_WAY, from, packet));
                }
            }
        }
    }

    fn reports(&self) -> (&BotReport, &BotReport) {
        (self.ends[0].bot.report(), self.ends[1].bot.report())
    }
}

#[test]
fn everything_arrives_over_a_good_network_and_the_delay_is_known() {
    for codec in [VideoCodec::H264, VideoCodec::Vp8] {
        let mut network = Network::connected(codec, 0.0);
        network.run(Duration::from_secs(10));
        let (sent, received) = network.reports();
        assert!(sent.sent_packets > 1_500, "{}", sent.sent_packets);
        // Those of the last 10 ms are on the way.
        assert!(sent.sent_packets - received.packets < 10);
        assert_eq!((received.lost, received.duplicates, received.undecryptable, received.missing_stamps), (0, 0, 0, 0));
        assert_eq!((received.nacked, received.key_frames_asked, sent.retransmitted), (0, 0, 0));
        assert!(received.first_key_frame.is_some());
        let latency = received.latency.as_ref().and_then(|latency| latency.quantile(0.5)).expect("stamped");
        assert!(latency.abs_diff(ONE_WAY) <= STEP, "{latency:?}");
    }
}

#[test]
fn pictures_that_are_lost_on_the_way_come_again() {
    let mut network = Network::connected(VideoCodec::Vp8, 0.1);
    network.run(Duration::from_secs(20));
    let (sent, received) = network.reports();
    assert!(sent.retransmitted > 100 && received.recovered > 100, "{sent:?}");
    let sound = 20 * 50;
    // A tenth of the sound is not asked for again; of pictures everything has come but the newest.
    assert!((sound / 20..sound / 5).contains(&received.lost), "{} lost", received.lost);
}

#[test]
fn a_layer_that_nobody_wants_is_not_sent_and_comes_back_with_a_key_frame() {
    let mut network = Network::connected(VideoCodec::H264, 0.0);
    network.run(Duration::from_secs(1));
    let keys = network.reports().0.key_frames_sent;
    network.ends[0].bot.set_wanted_layers(&[false]);
    network.run(Duration::from_millis(100));
    let before = network.reports().1.video_packets;
    network.run(Duration::from_secs(1));
    assert_eq!(network.reports().1.video_packets, before);
    network.ends[0].bot.set_wanted_layers(&[true]);
    network.run(Duration::from_secs(1));
    assert!(network.reports().1.video_packets > before);
    assert_eq!(network.reports().0.key_frames_sent, keys + 1);
}
