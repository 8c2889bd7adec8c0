//! Events on their way to the caller, in order, without ever blocking the loop that makes them.

use std::collections::VecDeque;

use chrono::Utc;
use tokio::sync::mpsc;

use super::execution::{ExecutionEvent, ExecutionEventBody};

/// With so many events waiting, output is left in the pipe and the program waits.
const MOST_WAITING: usize = 64;

/// Sends the events of one job.
#[derive(Debug)]
pub struct Reporter {
    sender: mpsc::Sender<ExecutionEvent>,
    waiting: VecDeque<ExecutionEvent>,
    is_closed: bool,
}

impl Reporter {
    /// Sends to `sender`.
    pub fn new(sender: mpsc::Sender<ExecutionEvent>) -> Self {
        Self { sender, waiting: VecDeque::new(), is_closed: false }
    }

    /// Reports something that happened just now.
    pub fn report(&mut self, body: ExecutionEventBody) {
        let event = ExecutionEvent { at: Utc::now(), body };
        if !self.waiting.is_empty() {
            self.waiting.push_back(event);
            return;
        }
        match self.sender.try_send(event) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(event)) => self.waiting.push_back(event),
            Err(mpsc::error::TrySendError::Closed(_)) => self.is_closed = true,
        }
    }

    /// Whether more may be read from the program.
    pub fn has_room(&self) -> bool {
        self.waiting.len() < MOST_WAITING
    }

    /// Whether nobody listens any more.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Sends one waiting event as soon as the caller takes it; pends for ever where none waits.
    /// Nothing is lost when the future is dropped.
    pub async fn send_one(&mut self) {
        if self.waiting.is_empty() || self.is_closed {
            return std::future::pending().await;
        }
        if let Ok(permit) = self.sender.reserve().await {
            if let Some(event) = self.waiting.pop_front() {
                permit.send(event);
            }
        } else {
            self.is_closed = true;
            self.waiting.clear();
        }
    }

    /// Sends all that waits.
    pub async fn flush(&mut self) {
        while !self.waiting.is_empty() && !self.is_closed {
            self.send_one().await;
        }
    }
}
