//! A running media plane, and ways to wait for it.

use std::collections::HashMap;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::num::NonZeroUsize;
use std::time::Duration;

use conclave_media::{
    Algorithm, LegOffer, MediaConfig, MediaEvent, MediaHandle, MediaLimits, RelayConfig, RoomKey, bind_udp, start,
};
use conclave_proto::{LegNumber, MediaState, Mid, ParticipantId, SfuOffer, Slots, SourceKind, View, ViewItem};
use conclave_turn::TurnSecret;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::client::{Client, Layout};
use crate::counted::Counted;
use crate::listener;
use crate::network::{Network, Way};

pub const ROOM: RoomKey = RoomKey(1);
pub const LEG: LegNumber = LegNumber(1);

pub const ALL_ON: MediaState = MediaState { microphone: true, camera: true, screen: true, screen_audio: true };

/// Longer than anything takes; what takes longer never comes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for something that must happen.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(result) => result,
        Err(_) => panic!("did not happen: {what}"),
    }
}

pub struct Server {
    pub handle: MediaHandle,
    pub counted: Counted,
    events: mpsc::Receiver<MediaEvent>,
    /// Events that came while another was awaited.
    pub seen: Vec<MediaEvent>,
    /// What each participant's slots carry now.
    slots: HashMap<ParticipantId, Slots>,
}

impl Server {
    pub fn start() -> Self {
        Self::with_limits(MediaLimits::default())
    }

    pub fn with_limits(limits: MediaLimits) -> Self {
        Self::with(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Ipv4Addr::LOCALHOST.into(), limits)
    }

    pub fn with(bind: SocketAddr, announce: std::net::IpAddr, limits: MediaLimits) -> Self {
        let (tcp, udp) = bind_both(bind);
        let relay = RelayConfig { secret: secret(), limits: conclave_turn::Limits::default() };
        let config =
            MediaConfig { udp, announce: vec![announce.into()], relay, controller: Algorithm::default(), limits };
        let counted = Counted::default();
        let (handle, events) = metrics::with_local_recorder(&counted, || start(config)).expect("starts");
        tokio::spawn(listener::serve(tcp, handle.clone()));
        Self { handle, counted, events, seen: Vec::new(), slots: HashMap::new() }
    }

    pub fn address(&self) -> SocketAddr {
        self.handle.announced()[0]
    }

    /// How many packets were dropped for this reason.
    pub fn dropped(&self, reason: &str) -> u64 {
        self.counted.counter(&format!("conclave_media_dropped_total/{reason}"))
    }

    /// How many legs have this kind of path.
    pub fn by_path(&self, path: &str) -> f64 {
        self.counted.gauge(&format!("conclave_media_leg_paths/{path}"))
    }

    /// Waits until what is counted is so. Nobody tells of that, so it is looked at again and again.
    pub async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        soon(what, async {
            while !is_so(self) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// Waits for an event; one that was seen and not taken before counts. For slots see
    /// [`Self::shows`].
    pub async fn event(&mut self, what: &str, mut is_it: impl FnMut(&MediaEvent) -> bool) -> MediaEvent {
        soon(what, async {
            loop {
                if let Some(at) = self.seen.iter().position(&mut is_it) {
                    return self.seen.remove(at);
                }
                self.next().await;
            }
        })
        .await
    }

    pub async fn failed(&mut self, who: &ParticipantId) {
        self.event(
            "the leg fails",
            |event| matches!(event, MediaEvent::Failed { participant, .. } if participant == who),
        )
        .await;
    }

    /// Waits until a slot of this participant's leg shows that source, and tells which mid it is.
    pub async fn shows(&mut self, who: &ParticipantId, whose: &ParticipantId, source: SourceKind) -> String {
        soon("a slot shows the source", async {
            loop {
                if let Some(mid) = self.slots.get(who).and_then(|slots| slot_of(slots, whose, source)) {
                    return mid.as_str().to_owned();
                }
                self.next().await;
            }
        })
        .await
    }

    /// Waits until no slot of this participant's leg shows that source.
    pub async fn hides(&mut self, who: &ParticipantId, whose: &ParticipantId, source: SourceKind) {
        soon("no slot shows the source", async {
            while self.slots.get(who).is_some_and(|slots| slot_of(slots, whose, source).is_some()) {
                self.next().await;
            }
        })
        .await;
    }

    async fn next(&mut self) {
        let event = self.events.recv().await.expect("the media plane runs");
        if let MediaEvent::Slots { participant, slots, .. } = event {
            self.slots.insert(participant, slots);
        } else {
            self.seen.push(event);
        }
    }

    /// Brings a client in, connected, with everything on.
    pub async fn join(&self, name: &str) -> Client {
        self.join_leg(name, LEG, Layout::default()).await
    }

    pub async fn join_leg(&self, name: &str, leg: LegNumber, layout: Layout) -> Client {
        let client = self.offer(ROOM, name, leg, layout).await;
        client.connected().await;
        client
    }

    /// Brings a client in that has these ways to the server, and no other.
    pub async fn join_by(&self, name: &str, ways: &[Way]) -> Client {
        let network = Network::connect(ways, self.address(), name).await;
        let (client, offer) = Client::on(network, name, LEG, Layout::default());
        let client = self.take_offer(ROOM, client, offer).await;
        client.connected().await;
        client
    }

    /// Brings a client in as far as its answer.
    pub async fn offer(&self, room: RoomKey, name: &str, leg: LegNumber, layout: Layout) -> Client {
        let (client, offer) = Client::new(name, leg, layout).await;
        self.take_offer(room, client, offer).await
    }

    async fn take_offer(&self, room: RoomKey, client: Client, offer: SfuOffer) -> Client {
        let (leg, name) = (offer.leg, client.id.clone());
        let answer = self.handle.offer(room, name, LegOffer::Client(offer), ALL_ON).await.expect("a good offer");
        assert_eq!(answer.leg, leg);
        client.answer(answer.sdp.as_str());
        client
    }

    /// Tells that a client shows these cameras, all equally large.
    pub fn view(&self, name: &str, whose: &[&str]) {
        self.handle.set_view(ROOM, id(name), LEG, view(whose));
    }
}

/// As many shards as most machines have cores; one with `SHARDS=1`, to tell what is theirs.
fn shards() -> NonZeroUsize {
    std::env::var("SHARDS").ok().and_then(|shards| shards.parse().ok()).unwrap_or(NonZeroUsize::MIN.saturating_add(1))
}

/// TCP and UDP on one port.
fn bind_both(bind: SocketAddr) -> (TcpListener, Vec<UdpSocket>) {
    // A free TCP port may be taken by UDP.
    for _ in 0..16 {
        let tcp = std::net::TcpListener::bind(bind).expect("a free port");
        let address = tcp.local_addr().expect("bound");
        if let Ok(udp) = bind_udp(address, shards()) {
            tcp.set_nonblocking(true).expect("set");
            return (TcpListener::from_std(tcp).expect("usable"), udp);
        }
    }
    panic!("no port is free for both");
}

/// What TURN credentials are made with.
pub fn secret() -> TurnSecret {
    TurnSecret::from_bytes(b"the secret of the tests")
}

pub fn id(name: &str) -> ParticipantId {
    ParticipantId::parse(name).expect("valid")
}

pub fn view(whose: &[&str]) -> View {
    let item = |name: &&str| ViewItem {
        participant: id(name),
        source: SourceKind::Camera,
        width: 320,
        height: 180,
        priority: 1,
    };
    View { items: whose.iter().map(item).collect() }
}

fn slot_of<'a>(slots: &'a Slots, whose: &ParticipantId, source: SourceKind) -> Option<&'a Mid> {
    let video = slots.video.iter().map(|slot| (&slot.mid, &slot.participant, slot.source));
    let audio = slots.audio.iter().map(|slot| (&slot.mid, &slot.participant, slot.source));
    let mut all = video.chain(audio);
    all.find(|(_, participant, kind)| *participant == whose && *kind == source).map(|(mid, _, _)| mid)
}
