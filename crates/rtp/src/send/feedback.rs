//! What the other end says of what it receives.

use std::time::Duration;

use conclave_qos::{Bitrate, Time};

use super::sent::NotAgain;
use super::slots::{Carries, Source};
use super::{Sender, earliest};
use crate::Ssrc;
use crate::rtcp::{CongestionFeedback, Nack, Packet, ReportBlocks, TransportFeedback};

/// Before a round trip was measured.
const USUAL_ROUND_TRIP: Duration = Duration::from_millis(100);
/// A packet is not repeated faster than this, however short the path.
const SHORTEST_ROUND_TRIP: Duration = Duration::from_millis(5);
/// A remote limit that is not renewed for so long counts no longer.
const LIMIT_HOLDS: Duration = Duration::from_secs(10);
/// Feedback may speak of so many packets within [`STATUS_WINDOW`]: far more than a leg sends. Few
/// bytes can speak of thousands.
const MOST_STATUSES: u32 = 32_768;
const STATUS_WINDOW: Duration = Duration::from_millis(100);

impl Sender {
    /// Takes one packet of a compound. What does not concern this sender, or speaks of what it never sent, is ignored.
    pub fn handle_rtcp(&mut self, now: Time, packet: &Packet<'_>) {
        match packet {
            Packet::SenderReport { blocks, .. } | Packet::ReceiverReport { blocks, .. } => {
                self.handle_blocks(now, blocks.clone());
            }
            Packet::Nack(nack) => self.handle_nack(now, nack),
            Packet::Pli { media, .. } => self.handle_keyframe_request(now, *media, None),
            Packet::Fir(fir) => {
                for entry in fir.entries() {
                    self.handle_keyframe_request(now, entry.ssrc, Some(entry.number));
                }
            }
            Packet::Remb(remb) => self.handle_limit(now, Some(remb.bitrate)),
            Packet::TransportFeedback(feedback) => self.handle_transport_feedback(now, feedback),
            Packet::CongestionFeedback(feedback) => self.handle_congestion_feedback(now, feedback),
            Packet::Sdes | Packet::Bye(_) | Packet::Unknown { .. } => {}
        }
    }

    fn handle_blocks(&mut self, now: Time, blocks: ReportBlocks<'_>) {
        let mut longest = None;
        for block in blocks {
            let Some(Source { slot: place, carries, .. }) = self.find(block.ssrc) else { continue };
            let Some(slot) = self.slots.get_mut(usize::from(place)) else { continue };
            match carries {
                Carries::Media => {}
                Carries::Retransmissions => {
                    slot.is_rtx_bound = true;
                    continue;
                }
                Carries::Parity => continue,
            }
            slot.is_bound = true;
            let told = slot.reported.handle(&block);
            let round_trip = slot.clock.round_trip(now, &block);
            longest = longest.max(round_trip);
            let round_trip = self.round_trip.unwrap_or(USUAL_ROUND_TRIP);
            self.fallback.handle_loss(now, told, block.fraction_lost, round_trip);
            self.review_copies_by_share(now, place, told, block.fraction_lost);
        }
        // All blocks of a report took the same way; the slots only differ in how finely they count.
        if let Some(latest) = longest {
            let smoothed = self.round_trip.map_or(latest, |before| (before * 7 + latest) / 8);
            self.round_trip = Some(smoothed);
            self.controller.handle_round_trip(now, latest);
        }
        self.apply_control(now);
    }

    fn handle_nack(&mut self, now: Time, nack: &Nack<'_>) {
        let Some(Source { slot: place, carries: Carries::Media, .. }) = self.find(nack.media) else { return };
        let target = self.control().target;
        let round_trip = self.round_trip.unwrap_or(USUAL_ROUND_TRIP).max(SHORTEST_ROUND_TRIP);
        let Some(slot) = self.slots.get_mut(usize::from(place)) else { return };
        // Without a source for them there are no retransmissions.
        if slot.config.rtx.is_none() {
            return;
        }
        for short in nack.sequences() {
            if !self.retransmissions.may_look_up(now) {
                slot.counters.denied += 1;
                break;
            }
            slot.counters.nacked += 1;
            let Some(sequence) = slot.extend(short) else {
                slot.counters.gone += 1;
                continue;
            };
            match slot.sent.request(now, sequence, round_trip) {
                Ok(size) => {
                    if !self.retransmissions.push(now, target, place, sequence, size) {
                        slot.sent.give_up(sequence);
                        slot.counters.denied += 1;
                    }
                }
                Err(NotAgain::Gone) => slot.counters.gone += 1,
                Err(NotAgain::TooOften) => slot.counters.denied += 1,
                Err(NotAgain::Recently) => {}
            }
        }
        self.wake = earliest(self.wake, self.pacer.next_send_time(self.paced()));
    }

    /// `number` is a FIR's.
    fn handle_keyframe_request(&mut self, now: Time, ssrc: Ssrc, number: Option<u8>) {
        let Some(Source { slot, carries: Carries::Media, .. }) = self.find(ssrc) else { return };
        let Some(slot) = self.slots.get_mut(usize::from(slot)) else { return };
        if slot.config.is_audio {
            return;
        }
        match number {
            None => slot.keyframes.request(),
            Some(number) => slot.keyframes.request_numbered(number),
        }
        self.keyframes_due = earliest(self.keyframes_due, slot.keyframes.due());
        self.pass_on_keyframe_requests(now);
    }

    pub(super) fn handle_limit(&mut self, now: Time, limit: Option<Bitrate>) {
        self.limit_ends = limit.map(|_| now + LIMIT_HOLDS);
        self.controller.handle_remote_limit(now, limit);
        self.fallback.handle_limit(limit);
        self.apply_control(now);
    }

    fn handle_transport_feedback(&mut self, now: Time, feedback: &TransportFeedback<'_>) {
        if self.by_source || !self.may_follow(now, u32::from(feedback.count)) {
            return;
        }
        let reference = self.reference.unwrap(feedback.reference);
        self.results.clear();
        self.history.acknowledge(feedback.reports(reference), &mut self.results);
        self.hand_over_results(now);
    }

    fn handle_congestion_feedback(&mut self, now: Time, feedback: &CongestionFeedback<'_>) {
        // A packet holds less than a thousand.
        let count = feedback.blocks().map(|block| block.len() as u32).sum();
        if !self.by_source || !self.may_follow(now, count) {
            return;
        }
        let time = self.report_clock.unwrap(feedback.timestamp);
        self.results.clear();
        for block in feedback.blocks() {
            let reports = block
                .reports(time)
                .filter_map(|(sequence, arrival)| Some((self.acknowledgements.number(block.ssrc, sequence)?, arrival)));
            self.history.acknowledge_marked(reports, &mut self.results);
        }
        // Blocks are by source; what a controller is told is in the order of sending.
        self.results.sort_unstable_by_key(|result| result.sequence);
        self.marking.handle_results(&self.results);
        self.hand_over_results(now);
    }

    /// Whether a report on so many packets is followed: something left that it can speak of, and not too many came lately.
    fn may_follow(&mut self, now: Time, packets: u32) -> bool {
        let state = &mut self.feedback;
        if state.since.is_none() {
            return false;
        }
        if now.since(state.window_began) >= STATUS_WINDOW {
            (state.window_began, state.statuses) = (now, 0);
        }
        state.statuses = state.statuses.saturating_add(packets);
        state.statuses <= MOST_STATUSES
    }

    fn hand_over_results(&mut self, now: Time) {
        if self.results.is_empty() {
            return;
        }
        self.feedback.came = true;
        self.feedback.is_missing = false;
        self.controller.handle_feedback(now, &self.results);
        if let Some(protection) = &mut self.protection {
            protection.handle_results(now, &self.results, self.round_trip);
        }
        self.apply_control(now);
        self.review_copies(now);
    }
}
