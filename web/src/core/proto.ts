// Generated from crates/proto by `UPDATE=1 cargo test -p conclave-proto`. Do not edit.

/**
 * What was wrong, for a program. The page has a sentence for each in every language.
 */
export type ErrorCode = "malformed" | "unknown-message" | "unsupported-version" | "out-of-order" | "too-many-requests" | "bad-name" | "bad-room-name" | "bad-chat" | "bad-options" | "room-full" | "room-locked" | "room-closed" | "already-here" | "unauthorized" | "forbidden" | "cannot-resume" | "bad-sdp" | "too-many-sections" | "stale-generation" | "no-such-participant" | "nothing-live" | "media-unavailable" | "internal";

/**
 * An error as the protocol carries it: a code for programs and a sentence for developers.
 */
export type ProtocolError = { 
/**
 * For programs.
 */
code: ErrorCode, 
/**
 * For developers, in English; never shown to people and never holding personal data.
 */
message: string, 
/**
 * When trying again makes sense: after how long, in milliseconds.
 */
retryAfterMs?: number, };

/**
 * What a participant sends.
 */
export type SourceKind = "microphone" | "camera" | "screen" | "screen-audio";

/**
 * A video codec. Every server takes VP8 and H.264; whether it takes the others, its answer says.
 */
export type VideoCodec = "vp8" | "h264" | "vp9" | "av1";

/**
 * Which media section sends which source.
 */
export type SourceMids = { 
/**
 * The microphone's.
 */
microphone: Mid, 
/**
 * The camera's.
 */
camera: Mid, 
/**
 * The screen's.
 */
screen: Mid, 
/**
 * The screen sound's.
 */
screenAudio: Mid, };

/**
 * A client's offer to the SFU: its sources and its receive-only slots.
 */
export type SfuOffer = { 
/**
 * Which leg.
 */
leg: LegNumber, 
/**
 * The offer.
 */
sdp: Sdp, 
/**
 * Where the client's own sources are.
 */
sources: SourceMids, 
/**
 * Receive-only audio sections, at most 3.
 */
audioSlots: Array<Mid>, 
/**
 * Receive-only video sections, at most 25.
 */
videoSlots: Array<Mid>, 
/**
 * Video codecs that the client can decode.
 */
decodes: Array<VideoCodec>, };

/**
 * The server's answer to an [`SfuOffer`].
 */
export type SfuAnswer = { 
/**
 * Which leg.
 */
leg: LegNumber, 
/**
 * The answer, candidates included.
 */
sdp: Sdp, };

/**
 * What a page shows, most important first. The order decides who keeps quality when bandwidth is
 * short; what is not named is not sent.
 */
export type View = { 
/**
 * At most 25; the rest is ignored.
 */
items: Array<ViewItem>, };

/**
 * One picture that the page shows.
 */
export type ViewItem = { 
/**
 * Whose.
 */
participant: ParticipantId, 
/**
 * `camera` or `screen`.
 */
source: SourceKind, 
/**
 * Width of the tile in device pixels.
 */
width: number, 
/**
 * Height of the tile in device pixels.
 */
height: number, 
/**
 * 0 (thumbnail), 1 (ordinary tile), 2 (speaking or pinned), 3 (shared screen on the stage).
 */
priority: number, };

/**
 * What each slot of a leg carries now; always complete.
 */
export type Slots = { 
/**
 * Which leg.
 */
leg: LegNumber, 
/**
 * Video slots in use.
 */
video: Array<VideoSlot>, 
/**
 * Audio slots in use.
 */
audio: Array<AudioSlot>, };

/**
 * A video slot in use.
 */
export type VideoSlot = { 
/**
 * The slot's media section.
 */
mid: Mid, 
/**
 * Whose picture.
 */
participant: ParticipantId, 
/**
 * Which one.
 */
source: SourceKind, 
/**
 * Frames whose RTP timestamp is later than this (modulo 2^32) belong to this assignment;
 * earlier ones are of whoever had the slot before. Absent while the slot is new.
 */
after?: number, 
/**
 * Nothing is sent now because the receiver's bandwidth does not allow it.
 */
paused: boolean, };

/**
 * An audio slot in use.
 */
export type AudioSlot = { 
/**
 * The slot's media section.
 */
mid: Mid, 
/**
 * Whose sound.
 */
participant: ParticipantId, 
/**
 * Which one.
 */
source: SourceKind, };

/**
 * What the server wants a source to send: nobody watches the layers that are off.
 */
export type PublishWish = { 
/**
 * Which source.
 */
source: SourceKind, 
/**
 * The codec that everybody in the room can decode.
 */
codec: VideoCodec, 
/**
 * For each layer, smallest first, whether somebody needs it. With simulcast each is a stream (rid `l`,
 * `m`, `h`); where one stream brings all (VP9 and AV1), the highest says how many it needs to bring.
 */
layers: [boolean, boolean, boolean], };

/**
 * In a word, for people.
 */
export type NetworkQuality = "good" | "poor" | "lost";

/**
 * How a participant's own network is, as its page measured it. Sent to the others so that each
 * page can say whose network a bad picture comes from.
 */
export type NetworkReport = { 
/**
 * In a word.
 */
quality: NetworkQuality, 
/**
 * Round trip to the server or, in a direct call, to the peer: milliseconds.
 */
roundTripMs: number, 
/**
 * Loss of what it sends, in tenths of a percent (0 to 1,000).
 */
lossUpPermille: number, 
/**
 * Loss of what it receives, in tenths of a percent (0 to 1,000).
 */
lossDownPermille: number, };

/**
 * What the owner of a room chose.
 */
export type TopologyChoice = "auto" | "p2p" | "mesh" | "sfu";

/**
 * How media flows now.
 */
export type Topology = "p2p" | "mesh" | "sfu";

/**
 * Why the topology is what it is.
 */
export type TopologyReason = "initial" | "more-people" | "two-remain" | "options" | "path-failed" | "stream";

/**
 * How media flows now, and whether everybody has moved there.
 */
export type TopologyState = { 
/**
 * Which one this is.
 */
generation: Generation, 
/**
 * Where media flows, or is moving to.
 */
topology: Topology, 
/**
 * Why.
 */
reason: TopologyReason, 
/**
 * Everybody has moved (or failed to): the previous path may be closed.
 */
settled: boolean, };

/**
 * Which video codec a room prefers.
 */
export type CodecPreference = "auto" | "vp8" | "h264" | "vp9" | "av1";

/**
 * What the owner of a room can choose.
 */
export type RoomOptions = { 
/**
 * How media flows.
 */
topology: TopologyChoice, 
/**
 * Most participants at once: 1 to 5,000.
 */
capacity: number, 
/**
 * Nobody new may come in.
 */
locked: boolean, 
/**
 * Video codec.
 */
codec: CodecPreference, };

/**
 * A room as everybody inside sees it.
 */
export type RoomState = { 
/**
 * Its name.
 */
name: RoomName, 
/**
 * What the owner chose.
 */
options: RoomOptions, 
/**
 * How media flows now.
 */
topology: TopologyState, };

/**
 * What a participant may do.
 */
export type Role = "host" | "participant";

/**
 * Whether the server hears from a participant's page.
 */
export type Connection = "connected" | "interrupted";

/**
 * Which sources a participant sends. A source that is off is not sent: muting stops the track in
 * the sender's page.
 */
export type MediaState = { 
/**
 * The microphone is on.
 */
microphone: boolean, 
/**
 * The camera is on.
 */
camera: boolean, 
/**
 * A screen is shared.
 */
screen: boolean, 
/**
 * The shared screen has sound.
 */
screenAudio: boolean, };

/**
 * A participant as the others see it.
 */
export type Participant = { 
/**
 * Identity for this session.
 */
id: ParticipantId, 
/**
 * What the person is called.
 */
name: DisplayName, 
/**
 * What the person may do.
 */
role: Role, 
/**
 * Counts up in the order of arrival; tiles keep this order.
 */
order: number, 
/**
 * Whether the server hears from the page.
 */
connection: Connection, 
/**
 * What is sent.
 */
media: MediaState, 
/**
 * Position in the order of raised hands (the lowest was first), if raised.
 */
hand: number | null, 
/**
 * The last report on the participant's own network.
 */
network: NetworkReport | null, };

/**
 * Why a participant is gone.
 */
export type LeaveReason = "left" | "lost" | "replaced" | "expelled";

/**
 * A message to everybody.
 */
export type ChatMessage = { 
/**
 * Identity.
 */
id: MessageId, 
/**
 * The sender's key for it.
 */
key: ChatKey, 
/**
 * Who sent it; the participant may be gone.
 */
participant: ParticipantId, 
/**
 * What the sender was called.
 */
name: DisplayName, 
/**
 * Text, never markup.
 */
text: ChatText, 
/**
 * When the server took it: milliseconds since 1970-01-01 UTC.
 */
sentAtMs: number, };

/**
 * A short-lived sign to everybody.
 */
export type Reaction = "thumbs-up" | "clap" | "heart" | "laugh" | "surprised" | "sad" | "party" | "thinking" | "thumbs-down";

/**
 * One message from a client: `{"id": 7, "type": "chat", "body": {…}}`.
 */
export type ClientFrame = { 
/**
 * Chosen by the client; the reply or error carries it.
 */
id: number, } & ({ "type": "join", "body": Join } | { "type": "resume", "body": Resume } | { "type": "leave", "body": Record<symbol, never> } | { "type": "ping", "body": Record<symbol, never> } | { "type": "get-ice-servers", "body": Record<symbol, never> } | { "type": "get-participants", "body": { 
/**
 * Only those who arrived later than this [`crate::Participant::order`]; from the first if
 * absent. The cursor of the page before.
 */
after?: number, 
/**
 * Only those whose name holds this, whatever the case.
 */
search?: DisplayName, } } | { "type": "set-media", "body": { 
/**
 * The new state.
 */
media: MediaState, } } | { "type": "set-name", "body": { 
/**
 * The new name.
 */
name: DisplayName, } } | { "type": "set-hand", "body": { 
/**
 * Whether it is up.
 */
raised: boolean, } } | { "type": "react", "body": { 
/**
 * Which one.
 */
reaction: Reaction, } } | { "type": "chat", "body": { 
/**
 * So that sending it again is harmless.
 */
key: ChatKey, 
/**
 * The text.
 */
text: ChatText, } } | { "type": "report-network", "body": { 
/**
 * The measurement.
 */
report: NetworkReport, } } | { "type": "set-options", "body": { 
/**
 * All of them.
 */
options: RoomOptions, } } | { "type": "end-room", "body": Record<symbol, never> } | { "type": "signal", "body": { 
/**
 * Whom it is for.
 */
to: ParticipantId, 
/**
 * Which topology it belongs to.
 */
generation: Generation, 
/**
 * What to pass on.
 */
signal: PeerSignal, } } | { "type": "offer-sfu", "body": SfuOffer } | { "type": "close-sfu", "body": { 
/**
 * Which one.
 */
leg: LegNumber, } } | { "type": "set-view", "body": { 
/**
 * Which leg it is about.
 */
leg: LegNumber, 
/**
 * The pictures.
 */
view: View, } } | { "type": "report-path", "body": PathReport });

/**
 * What a client can ask. Each is answered by a [`crate::Reply`] or an error with the same `id`.
 */
export type ClientMessage = { "type": "join", "body": Join } | { "type": "resume", "body": Resume } | { "type": "leave", "body": Record<symbol, never> } | { "type": "ping", "body": Record<symbol, never> } | { "type": "get-ice-servers", "body": Record<symbol, never> } | { "type": "get-participants", "body": { 
/**
 * Only those who arrived later than this [`crate::Participant::order`]; from the first if
 * absent. The cursor of the page before.
 */
after?: number, 
/**
 * Only those whose name holds this, whatever the case.
 */
search?: DisplayName, } } | { "type": "set-media", "body": { 
/**
 * The new state.
 */
media: MediaState, } } | { "type": "set-name", "body": { 
/**
 * The new name.
 */
name: DisplayName, } } | { "type": "set-hand", "body": { 
/**
 * Whether it is up.
 */
raised: boolean, } } | { "type": "react", "body": { 
/**
 * Which one.
 */
reaction: Reaction, } } | { "type": "chat", "body": { 
/**
 * So that sending it again is harmless.
 */
key: ChatKey, 
/**
 * The text.
 */
text: ChatText, } } | { "type": "report-network", "body": { 
/**
 * The measurement.
 */
report: NetworkReport, } } | { "type": "set-options", "body": { 
/**
 * All of them.
 */
options: RoomOptions, } } | { "type": "end-room", "body": Record<symbol, never> } | { "type": "signal", "body": { 
/**
 * Whom it is for.
 */
to: ParticipantId, 
/**
 * Which topology it belongs to.
 */
generation: Generation, 
/**
 * What to pass on.
 */
signal: PeerSignal, } } | { "type": "offer-sfu", "body": SfuOffer } | { "type": "close-sfu", "body": { 
/**
 * Which one.
 */
leg: LegNumber, } } | { "type": "set-view", "body": { 
/**
 * Which leg it is about.
 */
leg: LegNumber, 
/**
 * The pictures.
 */
view: View, } } | { "type": "report-path", "body": PathReport };

/**
 * Enter a room.
 */
export type Join = { 
/**
 * The protocol's version that the client speaks.
 */
version: number, 
/**
 * Which room; made if it does not exist.
 */
room: RoomName, 
/**
 * What the person is called.
 */
name: DisplayName, 
/**
 * Chosen by the browser for this person in this room.
 */
key: ParticipantKey, 
/**
 * The same person's other page is to be closed.
 */
takeover: boolean, 
/**
 * Kept by the browser since it made the room.
 */
hostToken?: Secret, 
/**
 * A token made by `POST /api/v1/tokens`, or the administrator's.
 */
accessToken?: Secret, 
/**
 * Options for the room if this join makes it; otherwise ignored.
 */
options?: RoomOptions, 
/**
 * What is sent from the start.
 */
media: MediaState, 
/**
 * An offer for the SFU, used if the room is there.
 */
offer?: SfuOffer, };

/**
 * Continue a session.
 */
export type Resume = { 
/**
 * The protocol's version that the client speaks.
 */
version: number, 
/**
 * Which room.
 */
room: RoomName, 
/**
 * Which session.
 */
participant: ParticipantId, 
/**
 * From the last `joined` or `resumed`; usable once.
 */
token: Secret, 
/**
 * The last event that the client has seen; those after it are sent again.
 */
lastSeq: number, };

/**
 * A direct path's negotiation (RFC 8829), passed on between two participants as it is.
 */
export type PeerSignal = { "kind": "offer", 
/**
 * The description.
 */
sdp: Sdp, } | { "kind": "answer", 
/**
 * The description.
 */
sdp: Sdp, } | { "kind": "candidate", 
/**
 * The candidate line, without `a=`; at most 1,024 bytes.
 */
candidate: CandidateText, 
/**
 * Its media section's `mid`.
 */
mid: Mid | null, 
/**
 * Its ICE generation.
 */
ufrag: IceUfrag | null, } | { "kind": "restart-wanted", };

/**
 * How a client's path is.
 */
export type PathReport = { 
/**
 * Which topology it is about.
 */
generation: Generation, 
/**
 * How it is.
 */
state: PathState, 
/**
 * In a direct topology: the peer whose path it is; absent when it is about all of them.
 */
peer?: ParticipantId, };

/**
 * How a path is.
 */
export type PathState = "ready" | "failed" | "silent";

/**
 * A STUN or TURN server for the client's connections: an `RTCIceServer` of the W3C WebRTC API.
 */
export type IceServer = { 
/**
 * Addresses (RFC 7064, RFC 7065), all of one server and for one user.
 */
urls: Array<string>, 
/**
 * Who the client is to a TURN server: when the credential ends (seconds since 1970), and for whom
 * it was made.
 */
username?: string, 
/**
 * The password that goes with it.
 */
credential?: Secret, };

/**
 * What a client needs to find a way through its network.
 */
export type IceConfig = { 
/**
 * Servers to gather candidates from.
 */
servers: Array<IceServer>, 
/**
 * For how long new relays can be asked for with these credentials, in seconds. A relay that
 * exists goes on.
 */
lifetimeS: number, };

/**
 * One message from the server.
 */
export type ServerMessage = { "type": "reply", 
/**
 * The request's.
 */
id: number, 
/**
 * What came of it.
 */
reply: Reply, } | { "type": "error", 
/**
 * The request's, if it could be read.
 */
id?: number, 
/**
 * Why.
 */
error: ProtocolError, } | { "type": "event", 
/**
 * Number in the session, from 1.
 */
seq: number, 
/**
 * What happened.
 */
event: Event, };

/**
 * What came of a request.
 */
export type Reply = { "type": "done", } | { "type": "joined" } & Joined | { "type": "resumed" } & Resumed | { "type": "sfu-answered", 
/**
 * The answer.
 */
answer: SfuAnswer, } | { "type": "ice-servers", 
/**
 * All of them; they take the place of earlier ones.
 */
ice: IceConfig, } | { "type": "participants", 
/**
 * At most 50, in the order of arrival.
 */
participants: Array<Participant>, 
/**
 * How many people are in the room, whatever was searched for.
 */
count: number, 
/**
 * Ask again with this as `after` for those who follow; absent when nobody does. A page of a
 * search can be empty and still have one: each looks at a bounded number of people.
 */
next?: number, } | { "type": "chat-taken", 
/**
 * The message's.
 */
id: MessageId, };

/**
 * The client is in the room. Everything the page needs, in one reply.
 */
export type Joined = { 
/**
 * Who the client is.
 */
participant: ParticipantId, 
/**
 * What it may do.
 */
role: Role, 
/**
 * For `resume`; usable once.
 */
resumeToken: Secret, 
/**
 * Given to whoever made the room: proves the host on a later visit.
 */
hostToken?: Secret, 
/**
 * The room.
 */
room: RoomState, 
/**
 * The client itself and those who are listed, in the order of arrival: everybody in a room of up
 * to 50, otherwise the 50 whom the others most likely see or hear.
 */
participants: Array<Participant>, 
/**
 * How many people are in the room, the client included.
 */
participantCount: number, 
/**
 * What was said before, oldest first.
 */
chat: Array<ChatMessage>, 
/**
 * The answer to the join's offer, if the room's media goes through the SFU.
 */
answer?: SfuAnswer, 
/**
 * Servers and credentials for ICE. The room knows none: whoever knows how the client reached the
 * server fills them in.
 */
ice: IceConfig, 
/**
 * Bounds that a client should keep.
 */
limits: ServerLimits, };

/**
 * Bounds that a client should keep.
 */
export type ServerLimits = { 
/**
 * Longest chat message, in characters.
 */
chatChars: number, 
/**
 * Longest display name, in characters.
 */
nameChars: number, 
/**
 * How long a lost session can be resumed, in milliseconds.
 */
resumeGraceMs: number, 
/**
 * Most participants in a mesh.
 */
meshParticipants: number, };

/**
 * The session goes on.
 */
export type Resumed = { 
/**
 * The next one; the one just used is void.
 */
resumeToken: Secret, };

/**
 * Somebody is gone.
 */
export type Departed = { 
/**
 * Who.
 */
participant: ParticipantId, 
/**
 * Why.
 */
reason: LeaveReason, };

/**
 * Something happened in the room.
 */
export type Event = { "type": "participant-joined", 
/**
 * Who.
 */
participant: Participant, } | { "type": "participant-updated", 
/**
 * The whole new state.
 */
participant: Participant, } | { "type": "network-reported", 
/**
 * Whose.
 */
participant: ParticipantId, 
/**
 * How it is.
 */
report: NetworkReport, } | { "type": "participant-left", 
/**
 * Who.
 */
participant: ParticipantId, 
/**
 * Why.
 */
reason: LeaveReason, } | { "type": "roster-changed", 
/**
 * How many people are in the room, the client included.
 */
count: number, 
/**
 * Whole states of those who are listed now or have changed; known ones are replaced.
 */
participants?: Array<Participant>, 
/**
 * Those who are gone, of those who were listed.
 */
left?: Array<Departed>, 
/**
 * Those who are in the room but not listed any more: no change of theirs is told until they
 * are listed again.
 */
unlisted?: Array<ParticipantId>, } | { "type": "chat", 
/**
 * The message.
 */
message: ChatMessage, } | { "type": "reacted", 
/**
 * Whose.
 */
participant: ParticipantId, 
/**
 * What that person is called: it may be one who is not listed.
 */
name: DisplayName, 
/**
 * Which.
 */
reaction: Reaction, } | { "type": "options-changed", 
/**
 * All of them.
 */
options: RoomOptions, } | { "type": "topology-changed", 
/**
 * The new state.
 */
state: TopologyState, } | { "type": "path-changed", 
/**
 * Which topology.
 */
generation: Generation, 
/**
 * Whose path.
 */
participant: ParticipantId, 
/**
 * How it is.
 */
state: PathState, } | { "type": "signalled", 
/**
 * From whom.
 */
from: ParticipantId, 
/**
 * Which topology it belongs to.
 */
generation: Generation, 
/**
 * The message.
 */
signal: PeerSignal, } | { "type": "slots-changed", 
/**
 * All of them.
 */
slots: Slots, } | { "type": "publish-wished", 
/**
 * The wish.
 */
wish: PublishWish, } | { "type": "speakers-changed", 
/**
 * The speakers.
 */
speakers: Array<ParticipantId>, } | { "type": "leg-failed", 
/**
 * Which one.
 */
leg: LegNumber, } | { "type": "room-ended", } | { "type": "server-closing", 
/**
 * Milliseconds.
 */
retryAfterMs: number, };

/**
 * What a page or program that tests its network can ask at `/api/v1/check`.
 */
export type CheckRequest = { "type": "ping", "body": { 
/**
 * Comes back.
 */
number: number, } } | { "type": "offer", "body": SfuOffer };

/**
 * What the server says at `/api/v1/check`. Everything that it gave out ends with the connection.
 */
export type CheckReply = { "type": "welcome", "body": { 
/**
 * Servers and credentials to test with.
 */
ice: IceConfig, 
/**
 * Where clients are told that media goes: `address:port`, for UDP and TCP.
 */
announced: Array<string>, 
/**
 * How long this connection may last, in seconds.
 */
lifetimeS: number, } } | { "type": "pong", "body": { 
/**
 * As asked.
 */
number: number, } } | { "type": "answered", "body": { 
/**
 * The media plane's.
 */
answer: SfuAnswer, } } | { "type": "refused", "body": { 
/**
 * Why.
 */
error: ProtocolError, } };

/**
 * How a leg's media travels between client and server.
 */
export type MediaPath = "udp" | "tcp" | "relay";

/**
 * What media is encoded with.
 */
export type MediaCodec = "opus" | "opus-red" | "vp8" | "h264" | "vp9" | "av1";

/**
 * Packets of one direction, over the last second.
 */
export type AdminFlow = { 
/**
 * Bits per second, RTP headers included.
 */
rateBps: number, 
/**
 * Packets per second.
 */
packets: number, 
/**
 * Share of the packets that were lost, in tenths of a percent (0 to 1,000).
 */
lossPermille: number, };

/**
 * The program as a whole, now.
 */
export type AdminTotals = { 
/**
 * Live meetings.
 */
rooms: number, 
/**
 * People in them.
 */
participants: number, 
/**
 * Connections for media.
 */
legs: number, 
/**
 * Media from clients.
 */
received: AdminFlow, 
/**
 * Media to clients.
 */
sent: AdminFlow, 
/**
 * RTP packets forwarded per second, each receiver counted.
 */
forwarded: number, 
/**
 * Memory of the process in bytes, where the system tells it.
 */
memoryBytes: number | null, 
/**
 * CPU time of the process per time, in tenths of a percent of one core.
 */
cpuPermille: number, 
/**
 * In the order of their numbers.
 */
shards: Array<AdminShard>, };

/**
 * A thread of the media plane, over the last second.
 */
export type AdminShard = { 
/**
 * Share of the time that it worked, in tenths of a percent (0 to 1,000).
 */
busyPermille: number, 
/**
 * Packets from the network per second.
 */
packetsIn: number, 
/**
 * Packets to the network per second.
 */
packetsOut: number, 
/**
 * Connections for media that it owns.
 */
legs: number, };

/**
 * A room in the list of rooms.
 */
export type AdminRoomRow = { 
/**
 * Its name.
 */
name: RoomName, 
/**
 * Since when it is live: milliseconds since 1970-01-01 UTC.
 */
sinceMs: number, 
/**
 * How its media flows; none for the first second of a room.
 */
topology: Topology | null, 
/**
 * People inside.
 */
participants: number, 
/**
 * Of them, those whose network is poor or lost, as their pages report it.
 */
troubled: number, 
/**
 * Media from clients.
 */
received: AdminFlow, 
/**
 * Media to clients.
 */
sent: AdminFlow, };

/**
 * Answer of `/api/v1/admin/overview` but for the history, and what its feed sends every second.
 */
export type AdminOverviewNow = { 
/**
 * When: milliseconds since 1970-01-01 UTC.
 */
atMs: number, 
/**
 * All rooms together.
 */
totals: AdminTotals, 
/**
 * The rooms in the order of their names; at most 1,000, those with the most people.
 */
rooms: Array<AdminRoomRow>, };

/**
 * Answer of `/api/v1/admin/overview`.
 */
export type AdminOverview = { 
/**
 * The program's version.
 */
version: string, 
/**
 * When the program started: milliseconds since 1970-01-01 UTC.
 */
startedMs: number, 
/**
 * Now.
 */
now: AdminOverviewNow, 
/**
 * Of all rooms together.
 */
history: AdminHistory<AdminTotalsSeries>, 
/**
 * Participants, sources and slots whose history had to be dropped for want of room, since the
 * program started.
 */
historiesDropped: number, };

/**
 * A history in two resolutions.
 */
export type AdminHistory<T> = { 
/**
 * Every second of the last two minutes.
 */
fine: AdminSeries<T>, 
/**
 * Every ten seconds of the last hour.
 */
coarse: AdminSeries<T>, };

/**
 * Values at equal distances, oldest first; all columns are equally long, and none is a value that
 * was not known.
 */
export type AdminSeries<T> = { 
/**
 * Seconds from one value to the next.
 */
stepS: number, 
/**
 * When the newest value's time ended: milliseconds since 1970-01-01 UTC.
 */
endMs: number, 
/**
 * The values.
 */
columns: T, };

/**
 * History of all rooms together.
 */
export type AdminTotalsSeries = { 
/**
 * People in meetings.
 */
participants: Array<number | null>, 
/**
 * Media from clients, kbit/s.
 */
receivedKbps: Array<number | null>, 
/**
 * Media to clients, kbit/s.
 */
sentKbps: Array<number | null>, 
/**
 * Loss of what is sent, in tenths of a percent.
 */
lossPermille: Array<number | null>, 
/**
 * Memory of the process, KiB.
 */
memoryKib: Array<number | null>, 
/**
 * CPU of the process, in tenths of a percent of one core.
 */
cpuPermille: Array<number | null>, 
/**
 * The busiest shard's share of busy time, in tenths of a percent.
 */
busyPermille: Array<number | null>, };

/**
 * Why a participant of the last hour is shown.
 */
export type AdminPresence = "connected" | "interrupted" | "left";

/**
 * A participant in a room's table.
 */
export type AdminParticipant = { 
/**
 * Identity for this session.
 */
id: ParticipantId, 
/**
 * What the person is called.
 */
name: DisplayName, 
/**
 * What the person may do.
 */
role: Role, 
/**
 * Whether the person is still here.
 */
presence: AdminPresence, 
/**
 * What the person sends.
 */
media: MediaState, 
/**
 * What the page last reported of its own network.
 */
reported: NetworkReport | null, 
/**
 * The connection for media; none in a direct call.
 */
leg: AdminLeg | null, };

/**
 * A participant's connection for media.
 */
export type AdminLeg = { 
/**
 * The thread that owns it.
 */
shard: number, 
/**
 * It is established.
 */
connected: boolean, 
/**
 * How it travels.
 */
path: MediaPath | null, 
/**
 * Between server and client, in tenths of a millisecond.
 */
roundTripTenths: number | null, 
/**
 * What the way to the client takes, in bits per second.
 */
estimateBps: number | null, 
/**
 * What would be sent if the way took everything, in bits per second.
 */
wantedBps: number | null, 
/**
 * From the client.
 */
received: AdminFlow, 
/**
 * To the client.
 */
sent: AdminFlow, };

/**
 * One layer of a source, as it arrives at the server.
 */
export type AdminSource = { 
/**
 * Which source.
 */
source: SourceKind, 
/**
 * Which layer: 0 is the smallest.
 */
layer: number, 
/**
 * What it is encoded with.
 */
codec: MediaCodec | null, 
/**
 * What arrives.
 */
received: AdminFlow, 
/**
 * Interarrival jitter in tenths of a millisecond.
 */
jitterTenths: number | null, 
/**
 * Whether somebody needs it.
 */
wanted: boolean, };

/**
 * One stream to a client.
 */
export type AdminSlot = { 
/**
 * Sound or picture.
 */
isAudio: boolean, 
/**
 * Its number among those of its kind.
 */
index: number, 
/**
 * What it carries.
 */
carries: AdminCarried | null, 
/**
 * What is sent in it.
 */
sent: AdminFlow, 
/**
 * Interarrival jitter, as the client reports it, in tenths of a millisecond.
 */
jitterTenths: number | null, };

/**
 * What a slot carries.
 */
export type AdminCarried = { 
/**
 * Whose source.
 */
participant: ParticipantId, 
/**
 * Which.
 */
source: SourceKind, 
/**
 * Which layer.
 */
layer: number | null, 
/**
 * What it is encoded with.
 */
codec: MediaCodec | null, 
/**
 * The way to the client takes no layer of it.
 */
paused: boolean, };

/**
 * Answer of `/api/v1/admin/rooms/{room}` but for the histories, and what its feed sends every
 * second.
 */
export type AdminRoomNow = { 
/**
 * When: milliseconds since 1970-01-01 UTC.
 */
atMs: number, 
/**
 * The room as in the list of rooms; none when it has ended.
 */
row: AdminRoomRow | null, 
/**
 * Why its media flows as it does.
 */
reason: TopologyReason | null, 
/**
 * Who is inside in the order of arrival, then who was inside during the last hour.
 */
participants: Array<AdminParticipant>, };

/**
 * Answer of `/api/v1/admin/rooms/{room}`.
 */
export type AdminRoom = { 
/**
 * The room's name.
 */
name: RoomName, 
/**
 * Now.
 */
now: AdminRoomNow, 
/**
 * The last two minutes of each participant, in the order of `now.participants`.
 */
recent: Array<AdminSeries<AdminLegSeries>>, 
/**
 * Participants, sources and slots of all rooms whose history had to be dropped for want of room,
 * since the program started.
 */
historiesDropped: number, };

/**
 * Answer of `/api/v1/admin/rooms/{room}/participants/{id}` but for the histories, and what its feed
 * sends every second.
 */
export type AdminParticipantNow = { 
/**
 * When: milliseconds since 1970-01-01 UTC.
 */
atMs: number, 
/**
 * Whose.
 */
id: ParticipantId, 
/**
 * What the server receives, in the order of sources and layers.
 */
sources: Array<AdminSource>, 
/**
 * What the server sends, sounds first.
 */
slots: Array<AdminSlot>, };

/**
 * Answer of `/api/v1/admin/rooms/{room}/participants/{id}`.
 */
export type AdminParticipantDetail = { 
/**
 * Now.
 */
now: AdminParticipantNow, 
/**
 * Of the connection.
 */
history: AdminHistory<AdminLegSeries>, 
/**
 * Of each of `now.sources`; none where it was dropped for want of room.
 */
sources: Array<AdminHistory<AdminStreamSeries> | null>, 
/**
 * Of each of `now.slots`; none where it was dropped for want of room.
 */
slots: Array<AdminHistory<AdminStreamSeries> | null>, };

/**
 * History of a participant's connection.
 */
export type AdminLegSeries = { 
/**
 * From the client, kbit/s.
 */
receivedKbps: Array<number | null>, 
/**
 * To the client, kbit/s.
 */
sentKbps: Array<number | null>, 
/**
 * Loss of what the client sends, in tenths of a percent.
 */
lossUpPermille: Array<number | null>, 
/**
 * Loss of what the client receives, in tenths of a percent.
 */
lossDownPermille: Array<number | null>, 
/**
 * Round trip in tenths of a millisecond.
 */
roundTripTenths: Array<number | null>, 
/**
 * What the way to the client takes, kbit/s.
 */
estimateKbps: Array<number | null>, };

/**
 * History of a source's layer or of a slot.
 */
export type AdminStreamSeries = { 
/**
 * kbit/s.
 */
rateKbps: Array<number | null>, 
/**
 * Loss in tenths of a percent.
 */
lossPermille: Array<number | null>, 
/**
 * Jitter in tenths of a millisecond.
 */
jitterTenths: Array<number | null>, 
/**
 * The layer, 0 being the smallest.
 */
layer: Array<number | null>, };

/**
 * A message of the live feed (`/api/v1/admin/feed`).
 */
export type AdminFeedMessage = { 
/**
 * Without `room` in the request.
 */
overview: AdminOverviewNow | null, 
/**
 * With `room`.
 */
room: AdminRoomNow | null, 
/**
 * With `room` and `participant`, while that participant is known.
 */
participant: AdminParticipantNow | null, };

export type LegNumber = number;
export type Generation = number;
export type Mid = string;
export type Sdp = string;
export type CandidateText = string;
export type IceUfrag = string;
export type DisplayName = string;
export type RoomName = string;
export type ChatText = string;
export type ParticipantId = string;
export type MessageId = string;
export type ChatKey = string;
export type ParticipantKey = string;
export type Secret = string;

export const PROTOCOL_VERSION = 1;

export const LIMITS = {
  audioSlots: 3,
  videoSlots: 25,
  nameChars: 64,
  roomNameChars: 64,
  chatChars: 4000,
  capacity: 5000,
  rosterListed: 50,
  rosterPage: 50,
} as const;

export const CLOSE = {
  replaced: 4001,
  roomClosed: 4002,
  left: 4003,
  policy: 1008,
  tooBig: 1009,
  restart: 1012,
  tryLater: 1013,
} as const;
