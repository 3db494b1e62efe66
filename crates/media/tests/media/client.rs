//! A client: sends a microphone and a camera in three layers, and notes what it receives.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conclave_proto::{LegNumber, Mid, ParticipantId, Sdp, SfuOffer, SourceMids, VideoCodec};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Mid as EngineMid, Pt, Rid, Simulcast, SimulcastLayer};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{ExtensionValues, RtpWrite};
use str0m::{Event, Input, Output, Rtc};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Interval, MissedTickBehavior};

use crate::harness::{id, soon};
use crate::network::{Arrived, Network, Way};

/// How many slots a client offers.
#[derive(Clone, Copy)]
pub struct Layout {
    pub video_slots: usize,
}

impl Default for Layout {
    fn default() -> Self {
        Self { video_slots: 3 }
    }
}

/// A packet that a client received.
#[derive(Clone, Debug)]
pub struct Got {
    pub mid: String,
    pub sequence: u64,
    pub timestamp: u32,
    /// Who sent it: payloads end with the sender's name.
    pub from: String,
    /// The name of the layer, `-` for sound.
    pub layer: String,
    pub audio_level: Option<i8>,
    /// VP8 picture id, 15 bits.
    pub picture: Option<u16>,
}

/// What a client has observed.
#[derive(Default)]
pub struct Observed {
    pub connected: bool,
    pub closed: bool,
    pub packets: Vec<Got>,
    /// Requests for a key frame, by rid.
    pub keyframe_requests: HashMap<String, usize>,
}

impl Observed {
    pub fn of<'a>(&'a self, mid: &'a str, from: &'a str) -> impl Iterator<Item = &'a Got> {
        self.packets.iter().filter(move |got| got.mid == mid && got.from == from)
    }
}

enum Order {
    Answer(String),
    Renegotiate {
        more_video: usize,
        restart_ice: bool,
        reply: oneshot::Sender<SfuOffer>,
    },
    /// Bytes for the server as they are, from the client's own address.
    Raw(Vec<u8>),
    /// RTP under the client's own keys: source mid's position, payload type, sequence, payload.
    Lie {
        section: usize,
        rid: Option<&'static str>,
        pt: Option<u8>,
        sequence: u64,
        payload: Vec<u8>,
    },
    /// Send this many raw copies of a plausible SRTP packet at once.
    Flood(usize),
    Media(bool),
    /// Neither sends nor hears anything any more.
    Unplug,
    Block(Way),
    StopReading,
    HangUp,
    Remember,
    Repeat(oneshot::Sender<usize>),
    Close,
}

/// The test's end of a client; the client itself is a task that ends with it.
pub struct Client {
    pub id: ParticipantId,
    pub offer: SfuOffer,
    orders: mpsc::UnboundedSender<Order>,
    observed: watch::Receiver<Observed>,
}

impl Client {
    pub async fn new(name: &str, leg: LegNumber, layout: Layout) -> (Self, SfuOffer) {
        Self::on(Network::udp().await, name, leg, layout)
    }

    /// A client on a network of its own.
    pub fn on(network: Network, name: &str, leg: LegNumber, layout: Layout) -> (Self, SfuOffer) {
        let mut config = Rtc::builder().set_rtp_mode(true).enable_bwe(None);
        // A path that has gone is given up after two seconds.
        config.set_max_stun_rto(Duration::from_millis(300));
        config.set_max_stun_retransmits(5);
        let mut rtc = config.build(Instant::now());
        network.add_candidates(&mut rtc);
        let (observe, observed) = watch::channel(Observed::default());
        let (orders, received) = mpsc::unbounded_channel();
        let mut task = Task::new(name, leg, rtc, network, observe);
        let offer = task.first_offer(layout);
        tokio::spawn(task.run(received));
        (Self { id: id(name), offer: offer.clone(), orders, observed }, offer)
    }

    pub fn answer(&self, sdp: &str) {
        self.order(Order::Answer(sdp.to_owned()));
    }

    pub async fn renegotiate(&self, more_video: usize, restart_ice: bool) -> SfuOffer {
        let (reply, offer) = oneshot::channel();
        self.order(Order::Renegotiate { more_video, restart_ice, reply });
        soon("another offer", offer).await.expect("the client runs")
    }

    pub fn raw(&self, bytes: Vec<u8>) {
        self.order(Order::Raw(bytes));
    }

    pub fn lie(&self, section: usize, rid: Option<&'static str>, pt: Option<u8>, sequence: u64, payload: Vec<u8>) {
        self.order(Order::Lie { section, rid, pt, sequence, payload });
    }

    pub fn flood(&self, packets: usize) {
        self.order(Order::Flood(packets));
    }

    pub fn media(&self, on: bool) {
        self.order(Order::Media(on));
    }

    pub fn unplug(&self) {
        self.order(Order::Unplug);
    }

    /// Nothing passes by this way any more, in either direction.
    pub fn block(&self, way: Way) {
        self.order(Order::Block(way));
    }

    /// Reads nothing more from its connections.
    pub fn stop_reading(&self) {
        self.order(Order::StopReading);
    }

    /// Closes its connections.
    pub fn hang_up(&self) {
        self.order(Order::HangUp);
    }

    /// Remembers the SRTP packets that it sends from now on.
    pub fn remember(&self) {
        self.order(Order::Remember);
    }

    /// Sends what it has remembered once more, as it was. Returns how many packets that were.
    pub async fn repeat(&self) -> usize {
        let (reply, repeated) = oneshot::channel();
        self.order(Order::Repeat(reply));
        soon("repeated", repeated).await.expect("the client runs")
    }

    pub fn close(&self) {
        self.order(Order::Close);
    }

    pub async fn connected(&self) {
        self.until("the client is connected", |seen| seen.connected).await;
    }

    /// Waits until what the client has observed is so.
    pub async fn until(&self, what: &str, is_so: impl FnMut(&Observed) -> bool) {
        let mut observed = self.observed.clone();
        soon(what, observed.wait_for(is_so)).await.expect("the client runs");
    }

    /// Waits for this many more packets of somebody in a section.
    pub async fn receives(&self, mid: &str, from: &str, more: usize) {
        let before = self.seen(|seen| seen.of(mid, from).count());
        let what = format!("{more} packets of {from} in {mid}");
        self.until(&what, |seen| seen.of(mid, from).count() >= before + more).await;
    }

    pub fn seen<T>(&self, look: impl FnOnce(&Observed) -> T) -> T {
        look(&self.observed.borrow())
    }

    fn order(&self, order: Order) {
        self.orders.send(order).expect("the client runs");
    }
}

const LAYERS: [&str; 3] = ["l", "m", "h"];
const AUDIO_LEVEL: i8 = -20;

struct Task {
    name: String,
    leg: LegNumber,
    rtc: Rtc,
    network: Network,
    /// By what, from where and whereto it last sent.
    last: Option<(Protocol, SocketAddr, SocketAddr)>,
    /// SRTP packets that were sent since it was asked to remember them.
    remembered: Option<Vec<Vec<u8>>>,
    pending: Option<SdpPendingOffer>,
    observe: watch::Sender<Observed>,
    sources: Vec<EngineMid>,
    audio_slots: Vec<EngineMid>,
    video_slots: Vec<EngineMid>,
    ticks: u64,
    /// By layer: next sequence number, next picture, whether it is a key frame.
    layers: [(u64, u16, bool); 3],
    sends_media: bool,
    unplugged: bool,
}

impl Task {
    fn new(name: &str, leg: LegNumber, rtc: Rtc, network: Network, observe: watch::Sender<Observed>) -> Self {
        Self {
            name: name.to_owned(),
            leg,
            rtc,
            network,
            last: None,
            remembered: None,
            pending: None,
            observe,
            sources: Vec::new(),
            audio_slots: Vec::new(),
            video_slots: Vec::new(),
            ticks: 0,
            // The sources' own numbers differ from layer to layer, and come near their rollovers.
            layers: [(1_000, 7, true), (65_500, 32_760, true), (40_000, 100, true)],
            sends_media: true,
            unplugged: false,
        }
    }

    fn first_offer(&mut self, layout: Layout) -> SfuOffer {
        let mut api = self.rtc.sdp_api();
        let layers = Simulcast { recv: vec![], send: LAYERS.map(SimulcastLayer::new).into() };
        let (audio, video) = (MediaKind::Audio, MediaKind::Video);
        self.sources = vec![
            api.add_media(audio, Direction::SendOnly, None, None, None),
            api.add_media(video, Direction::SendOnly, None, None, Some(layers)),
            api.add_media(video, Direction::SendOnly, None, None, None),
            api.add_media(audio, Direction::SendOnly, None, None, None),
        ];
        self.audio_slots = (0..3).map(|_| api.add_media(audio, Direction::RecvOnly, None, None, None)).collect();
        let slots = 0..layout.video_slots;
        self.video_slots = slots.map(|_| api.add_media(video, Direction::RecvOnly, None, None, None)).collect();
        let (offer, pending) = api.apply().expect("changes");
        self.pending = Some(pending);
        self.describe(offer.to_sdp_string())
    }

    fn renegotiate(&mut self, more_video: usize, restart_ice: bool) -> SfuOffer {
        let mut api = self.rtc.sdp_api();
        if restart_ice {
            api.ice_restart(true);
        }
        for _ in 0..more_video {
            self.video_slots.push(api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None));
        }
        let (offer, pending) = api.apply().expect("changes");
        self.pending = Some(pending);
        self.describe(offer.to_sdp_string())
    }

    fn describe(&self, sdp: String) -> SfuOffer {
        let mid = |mid: &EngineMid| Mid::try_from(mid.to_string()).expect("valid");
        SfuOffer {
            leg: self.leg,
            sdp: Sdp::parse(sdp).expect("small enough"),
            sources: SourceMids {
                microphone: mid(&self.sources[0]),
                camera: mid(&self.sources[1]),
                screen: mid(&self.sources[2]),
                screen_audio: mid(&self.sources[3]),
            },
            audio_slots: self.audio_slots.iter().map(mid).collect(),
            video_slots: self.video_slots.iter().map(mid).collect(),
            decodes: vec![VideoCodec::Vp8, VideoCodec::H264],
        }
    }

    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        let mut media = ticker();
        loop {
            let wake = self.drain();
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.obey(order),
                    // The test has dropped the client, as a browser that was killed.
                    None => return,
                },
                arrived = self.network.receive() => {
                    if !self.unplugged {
                        self.receive(&arrived);
                    }
                }
                _ = media.tick(), if self.observe.borrow().connected => self.send_media(),
                () = tokio::time::sleep_until(wake.into()) => self.advance(),
            }
        }
    }

    fn advance(&mut self) {
        self.rtc.handle_input(Input::Timeout(Instant::now())).expect("the client's engine works");
    }

    fn receive(&mut self, arrived: &Arrived) {
        let Arrived { protocol, source, destination, bytes } = arrived;
        if let Ok(receive) = Receive::new(*protocol, *source, *destination, bytes) {
            let _ = self.rtc.handle_input(Input::Receive(Instant::now(), receive));
        }
    }

    fn drain(&mut self) -> Instant {
        loop {
            match self.rtc.poll_output().expect("the client's engine works") {
                Output::Timeout(at) => return at.max(Instant::now() + Duration::from_millis(1)),
                Output::Transmit(transmit) => {
                    self.last = Some((transmit.proto, transmit.source, transmit.destination));
                    if self.unplugged {
                        continue;
                    }
                    if let (Some(remembered), 128..=191) = (&mut self.remembered, transmit.contents[0]) {
                        remembered.push(transmit.contents.to_vec());
                    }
                    self.send(&transmit.contents);
                }
                Output::Event(event) => self.observe_event(event),
            }
        }
    }

    /// Sends bytes as they are, the way of the last packet.
    fn send(&mut self, bytes: &[u8]) {
        let (protocol, source, destination) = self.last.expect("it has sent");
        self.network.send(protocol, source, destination, bytes);
    }

    fn observe_event(&mut self, event: Event) {
        match event {
            Event::Connected => self.observe.send_modify(|seen| seen.connected = true),
            Event::Closed => self.observe.send_modify(|seen| seen.closed = true),
            Event::KeyframeRequest(request) => {
                let rid = request.rid.map(|rid| rid.to_string()).unwrap_or_default();
                if let Some(layer) = LAYERS.iter().position(|layer| *layer == rid) {
                    self.layers[layer].2 = true;
                }
                self.observe.send_modify(|seen| *seen.keyframe_requests.entry(rid).or_default() += 1);
            }
            Event::RtpPacket(packet) => {
                let mut direct = self.rtc.direct_api();
                let Some(stream) = direct.stream_rx(&packet.header.ssrc) else { return };
                let text = String::from_utf8_lossy(&packet.payload);
                let mut words = text.rsplit('|');
                let from = words.next().unwrap_or_default().to_owned();
                let layer = words.next().unwrap_or_default().to_owned();
                let is_video = layer != "-";
                let picture = match *packet.payload {
                    [_, _, high, low, ..] if is_video => Some(u16::from_be_bytes([high & 0x7f, low])),
                    _ => None,
                };
                let got = Got {
                    mid: stream.mid().to_string(),
                    sequence: *packet.seq_no,
                    timestamp: packet.header.timestamp,
                    from,
                    layer,
                    audio_level: packet.header.ext_vals.audio_level,
                    picture,
                };
                self.observe.send_modify(|seen| seen.packets.push(got));
            }
            _ => {}
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Answer(sdp) => {
                let answer = SdpAnswer::from_sdp_string(&sdp).expect("a good answer");
                let pending = self.pending.take().expect("an offer");
                self.rtc.sdp_api().accept_answer(pending, answer).expect("an answer to the offer");
            }
            Order::Renegotiate { more_video, restart_ice, reply } => {
                let offer = self.renegotiate(more_video, restart_ice);
                let _ = reply.send(offer);
            }
            Order::Raw(bytes) => self.send(&bytes),
            Order::Flood(packets) => {
                let mut packet = vec![0x55; 1_000];
                packet[..2].copy_from_slice(&[0x80, 96]);
                for _ in 0..packets {
                    self.send(&packet);
                }
            }
            Order::Lie { section, rid, pt, sequence, payload } => {
                let pt = pt.map(Pt::from).unwrap_or(self.pt(Codec::Vp8));
                let write = RtpWrite::new(pt, sequence.into(), 1, Instant::now(), payload).marker(true);
                self.write(section, rid, write);
            }
            Order::Media(on) => self.sends_media = on,
            Order::Unplug => self.unplugged = true,
            Order::Block(way) => self.network.block(way),
            Order::StopReading => self.network.stop_reading(),
            Order::HangUp => self.network.hang_up(),
            Order::Remember => self.remembered = Some(Vec::new()),
            Order::Repeat(reply) => {
                let remembered = self.remembered.take().unwrap_or_default();
                remembered.iter().for_each(|packet| self.send(packet));
                let _ = reply.send(remembered.len());
            }
            Order::Close => self.rtc.close().expect("closes"),
        }
    }

    fn pt(&self, codec: Codec) -> Pt {
        self.rtc.codec_config().find(|p| p.spec().codec == codec).expect("agreed").pt()
    }

    fn write(&mut self, section: usize, rid: Option<&str>, write: RtpWrite) {
        let mut direct = self.rtc.direct_api();
        if let Some(stream) = direct.stream_tx_by_mid(self.sources[section], rid.map(Rid::from)) {
            stream.write_rtp(write);
        }
        self.advance();
    }

    /// 50 packets of sound and 25 pictures in three layers each second.
    fn send_media(&mut self) {
        if !self.sends_media || self.unplugged {
            return;
        }
        self.ticks += 1;
        let now = Instant::now();
        let sound = format!("sound|-|{}", self.name).into_bytes();
        let write = RtpWrite::new(self.pt(Codec::Opus), self.ticks.into(), self.ticks as u32 * 960, now, sound)
            .ext_vals(ExtensionValues {
                audio_level: Some(AUDIO_LEVEL),
                voice_activity: Some(true),
                ..ExtensionValues::default()
            });
        self.write(0, None, write);
        if self.ticks.is_multiple_of(2) {
            for (layer, rid) in LAYERS.iter().enumerate() {
                self.send_picture(now, layer, rid);
            }
        }
    }

    fn send_picture(&mut self, now: Instant, layer: usize, rid: &str) {
        let (sequence, picture, key) = self.layers[layer];
        self.layers[layer] = (sequence + 1, (picture + 1) & 0x7fff, false);
        let [high, low] = picture.to_be_bytes();
        // RFC 7741 section 4.2: X and S set, a 15-bit PictureID, then a frame's first bytes.
        let mut payload = vec![0x90, 0x80, 0x80 | high, low];
        let (width, height) = (160_u16 << layer, 90_u16 << layer);
        match key {
            true => payload.extend([0x10, 0, 0, 0x9d, 0x01, 0x2a]),
            false => payload.extend([0x11, 0, 0, 0, 0, 0]),
        }
        payload.extend(width.to_le_bytes());
        payload.extend(height.to_le_bytes());
        payload.extend(vec![b'.'; 200 << layer]);
        payload.extend(format!("|{rid}|{}", self.name).bytes());
        let time = (self.ticks as u32).wrapping_mul(1_800).wrapping_add(layer as u32 * 1_000_000);
        let payload: Arc<[u8]> = payload.into();
        let write = RtpWrite::new(self.pt(Codec::Vp8), sequence.into(), time, now, payload).marker(true).nackable(true);
        self.write(1, Some(rid), write);
    }
}

fn ticker() -> Interval {
    let mut ticker = tokio::time::interval(Duration::from_millis(20));
    ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticker
}
