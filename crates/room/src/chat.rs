use std::collections::VecDeque;

use conclave_proto::{ChatKey, ChatMessage, MessageId, limits};

use crate::config::StoredMessage;
use crate::digest::Digest;

/// Most text that the history holds, in bytes, so that the reply to a join stays small.
const HISTORY_BYTES: usize = 512 * 1024;
/// Messages that are recognised when they are sent again.
const REMEMBERED: usize = 1_024;

/// What was said: the newest messages for those who come late, and which were taken already.
#[derive(Debug, Default)]
pub(crate) struct ChatLog {
    history: VecDeque<ChatMessage>,
    bytes: usize,
    taken: VecDeque<(Digest, ChatKey, MessageId)>,
    last_sent_at_ms: u64,
}

impl ChatLog {
    pub(crate) fn new(stored: Vec<StoredMessage>) -> Self {
        let mut log = Self::default();
        for message in stored {
            log.push(&message);
        }
        log
    }

    /// The message that this person sent with this key before.
    pub(crate) fn taken(&self, sender: Digest, key: &ChatKey) -> Option<&MessageId> {
        // The one that is sent again is most likely among the last.
        self.taken.iter().rev().find(|(who, what, _)| what == key && *who == sender).map(|(_, _, id)| id)
    }

    /// The time for a message that is taken now: the wall clock may go back, the order may not.
    pub(crate) fn sent_at_ms(&self, unix_ms: u64) -> u64 {
        unix_ms.max(self.last_sent_at_ms)
    }

    pub(crate) fn push(&mut self, StoredMessage { message, sender }: &StoredMessage) {
        self.last_sent_at_ms = message.sent_at_ms;
        self.bytes += message.text.as_str().len();
        self.history.push_back(message.clone());
        while self.history.len() > limits::CHAT_HISTORY || self.bytes > HISTORY_BYTES {
            let Some(oldest) = self.history.pop_front() else { break };
            self.bytes -= oldest.text.as_str().len();
        }
        self.taken.push_back((*sender, message.key.clone(), message.id.clone()));
        if self.taken.len() > REMEMBERED {
            self.taken.pop_front();
        }
    }

    /// For a newcomer, oldest first.
    pub(crate) fn history(&self) -> Vec<ChatMessage> {
        self.history.iter().cloned().collect()
    }
}
