//! A receiver of a microphone and a camera, and the packets of a sender.

use std::time::Duration;

use conclave_qos::Time;
use conclave_rtp::rtcp::{Compound, MAX_COMPOUND, Packet, Writer};
use conclave_rtp::{
    ExtensionId, ExtensionIds, ExtensionValues, Feedback, OutgoingHeader, PayloadKind, PayloadType, ReceivePayload,
    ReceiveSection, Receiver, ReceiverConfig, Refused, Ssrc, StreamIndex, write_header,
};

pub const OPUS: u8 = 111;
pub const VP8: u8 = 96;
pub const RTX: u8 = 97;
pub const US: Ssrc = Ssrc(1);
pub const MICROPHONE: StreamIndex = StreamIndex { section: 0, layer: 0 };
pub const CAMERA_HIGH: StreamIndex = StreamIndex { section: 1, layer: 2 };

pub fn payload_type(number: u8) -> PayloadType {
    PayloadType::new(number).expect("below 128")
}

pub fn ids() -> ExtensionIds {
    ExtensionIds {
        audio_level: ExtensionId::new(1),
        transport_sequence: ExtensionId::new(2),
        mid: ExtensionId::new(3),
        rid: ExtensionId::new(4),
        repaired_rid: ExtensionId::new(5),
        dependency_descriptor: ExtensionId::new(6),
        absolute_send_time: ExtensionId::new(7),
    }
}

pub fn config() -> ReceiverConfig {
    let video = Feedback { nack: true, pli: true, fir: true, transport_wide: true };
    let payload = |number, kind, clock_rate, feedback| ReceivePayload {
        payload_type: payload_type(number),
        kind,
        clock_rate,
        feedback,
    };
    ReceiverConfig {
        reporter: US,
        cname: "cname".into(),
        extensions: ids(),
        payloads: vec![
            payload(OPUS, PayloadKind::Media, 48_000, Feedback { nack: false, ..video }),
            payload(VP8, PayloadKind::Media, 90_000, video),
            payload(RTX, PayloadKind::Retransmission { of: payload_type(VP8) }, 90_000, Feedback::default()),
        ],
        sections: vec![
            ReceiveSection { mid: "0".into(), payloads: vec![payload_type(OPUS)], ..ReceiveSection::default() },
            ReceiveSection {
                mid: "1".into(),
                rids: vec!["l".into(), "m".into(), "h".into()],
                payloads: vec![payload_type(VP8), payload_type(RTX)],
                ..ReceiveSection::default()
            },
        ],
    }
}

/// What came out of a packet, without its borrow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    pub stream: StreamIndex,
    pub payload_type: u8,
    pub sequence: u64,
    pub payload: Vec<u8>,
}

pub struct World {
    pub receiver: Receiver,
    pub now: Time,
    pub values: ExtensionValues<'static>,
}

impl World {
    pub fn new() -> Self {
        Self::with(config())
    }

    pub fn with(config: ReceiverConfig) -> Self {
        let now = Time::since_start(Duration::from_secs(100));
        Self { receiver: Receiver::new(config, 7), now, values: ExtensionValues::default() }
    }

    pub fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    pub fn pass_ms(&mut self, milliseconds: u64) {
        self.pass(Duration::from_millis(milliseconds));
    }

    pub fn packet(&self, payload_type: u8, ssrc: u32, sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
        packet(payload_type, ssrc, sequence, timestamp, &self.values, payload)
    }

    /// A packet with the extensions that are in `values`.
    pub fn receive(
        &mut self,
        payload_type: u8,
        ssrc: u32,
        sequence: u16,
        payload: &[u8],
    ) -> Result<Option<Got>, Refused> {
        let packet = self.packet(payload_type, ssrc, sequence, 0, payload);
        self.receive_bytes(&packet)
    }

    pub fn receive_bytes(&mut self, packet: &[u8]) -> Result<Option<Got>, Refused> {
        let media = self.receiver.handle_rtp(self.now, self.now, packet)?;
        Ok(media.map(|media| Got {
            stream: media.stream,
            payload_type: media.payload_type.get(),
            sequence: media.sequence,
            payload: media.payload.to_vec(),
        }))
    }

    /// A packet of the camera's high layer, named only once.
    pub fn camera(&mut self, sequence: u16) -> Result<Option<Got>, Refused> {
        let known = self.receiver.sources(CAMERA_HIGH).0.is_some();
        self.values = ExtensionValues {
            mid: (!known).then_some("1"),
            rid: (!known).then_some("h"),
            ..ExtensionValues::default()
        };
        let got = self.receive(VP8, 50, sequence, b"picture");
        self.values = ExtensionValues::default();
        got
    }

    /// The same, repeated because it was asked for.
    pub fn repeated(&mut self, sequence: u16, original: u16) -> Result<Option<Got>, Refused> {
        let known = self.receiver.sources(CAMERA_HIGH).1.is_some();
        self.values = ExtensionValues {
            mid: (!known).then_some("1"),
            repaired_rid: (!known).then_some("h"),
            ..ExtensionValues::default()
        };
        let payload = [original.to_be_bytes().as_slice(), b"picture"].concat();
        let got = self.receive(RTX, 51, sequence, &payload);
        self.values = ExtensionValues::default();
        got
    }

    /// What is due: the compounds.
    pub fn due(&mut self) -> Vec<Vec<u8>> {
        let mut compounds = Vec::new();
        loop {
            let mut buffer = [0; MAX_COMPOUND];
            let mut writer = Writer::new(&mut buffer);
            self.receiver.write_rtcp(self.now, &mut writer);
            let length = writer.len();
            if length == 0 {
                return compounds;
            }
            compounds.push(buffer[..length].to_vec());
            assert!(compounds.len() < 10, "it talks for ever");
        }
    }

    /// What is asked for now: sequence numbers.
    pub fn asked(&mut self) -> Vec<u16> {
        let mut asked = Vec::new();
        for compound in self.due() {
            for packet in Compound::parse(&compound) {
                if let Packet::Nack(nack) = packet.expect("well-formed") {
                    assert_eq!(nack.sender, US);
                    asked.extend(nack.sequences());
                }
            }
        }
        asked
    }

    /// Lets time pass to whatever is due next.
    pub fn wait(&mut self) -> Option<Duration> {
        let due = self.receiver.poll_timeout()?;
        let waited = due.since(self.now);
        self.pass(waited);
        Some(waited)
    }
}

pub fn packet(
    payload_type: u8,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    values: &ExtensionValues<'_>,
    payload: &[u8],
) -> Vec<u8> {
    let header = OutgoingHeader {
        payload_type: self::payload_type(payload_type),
        marker: false,
        padding: false,
        sequence,
        timestamp,
        ssrc: Ssrc(ssrc),
    };
    let mut packet = vec![0; 1_500];
    let length = write_header(&mut packet, &header, &ids(), values).expect("it fits");
    packet.truncate(length);
    packet.extend(payload);
    packet
}
