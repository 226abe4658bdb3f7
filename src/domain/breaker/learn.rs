//! What a breaker makes of answers: when a trouble begins, and what a probe proves.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::window::Window;
use super::{Answer, BURST, Breaker, Cause, Learned, Pause, Phase, Ticket};
use crate::domain::alert::Reason;

/// So many bad addresses among the last answers may be a wave, if they are nearly all of them: one in eight at most was
/// accepted. A wave is our mistake and not the phones'.
pub const WAVE: u32 = 10;
/// So many failures in a row, with no answer that makes sense between, are an outage.
pub const OUTAGE: u32 = 20;
/// The same while a service comes back.
const RELAPSE: u32 = 5;

/// What a probe's answer means.
enum Proof {
    Mended,
    /// Still broken, in this way.
    Broken(Cause),
    /// It says nothing about the trouble.
    Open,
    /// There was none.
    Missing,
}

impl Breaker {
    /// Learns from the answer to what was sent under `ticket` to `device`.
    pub fn learn(
        &mut self,
        answer: Answer,
        reason: &Reason,
        device: Uuid,
        ticket: Ticket,
        now: DateTime<Utc>,
    ) -> Learned {
        let ours = ticket.epoch == self.epoch;
        match &mut self.phase {
            Phase::Healthy | Phase::Ramping { .. } if ours => self.count(answer, reason, device, now),
            Phase::Probing { pause, .. } if ours && ticket.probe => {
                let proof = proof(pause.cause, answer);
                self.probed(proof, answer, reason, device, now)
            }
            phase => {
                // It was on its way before: it neither ends a pause nor begins another one. A longer wait is kept.
                if let (Phase::Paused(pause), Answer::Throttled(Some(asked))) = (phase, answer) {
                    pause.until = pause.until.max(now + asked);
                }
                Learned { believed: !matches!(answer, Answer::BadAddress | Answer::Down), take_back: Vec::new() }
            }
        }
    }

    fn count(&mut self, answer: Answer, reason: &Reason, device: Uuid, now: DateTime<Utc>) -> Learned {
        let believed = |believed| Learned { believed, take_back: Vec::new() };
        let most_failures = if matches!(self.phase, Phase::Ramping { .. }) { RELAPSE } else { OUTAGE };
        if !matches!(answer, Answer::Down | Answer::Nothing) {
            self.failures = 0;
        }
        match answer {
            Answer::Accepted => self.window.good(1),
            Answer::Works | Answer::Nothing => {}
            Answer::Refused => self.stop(Cause::Credentials, None, reason, now),
            Answer::Throttled(asked) => self.stop(Cause::Quota, asked, reason, now),
            Answer::Down => {
                self.failures += 1;
                if self.failures >= most_failures {
                    self.stop(Cause::Outage, None, reason, now);
                    return believed(false);
                }
            }
            // Said of the same phone again, it is no further sign of a wave.
            Answer::BadAddress if self.believed.contains(&device) => {}
            Answer::BadAddress => {
                if self.window.count_good() >= Window::SIZE / 2 {
                    self.wave = WAVE;
                }
                self.window.bad();
                let (good, bad) = (self.window.count_good(), self.window.count_bad());
                if bad >= self.wave && good * 7 <= bad {
                    self.stop(Cause::Addresses, None, reason, now);
                    return Learned { believed: false, take_back: self.take_back(Cause::Addresses) };
                }
                self.believed.push_back(device);
                if self.believed.len() > Window::SIZE as usize {
                    self.believed.pop_front();
                }
            }
        }
        believed(true)
    }

    fn probed(&mut self, proof: Proof, answer: Answer, reason: &Reason, device: Uuid, now: DateTime<Utc>) -> Learned {
        let Some(pause) = self.pause().cloned() else { return Learned { believed: true, take_back: Vec::new() } };
        match proof {
            Proof::Mended => {
                // A service that called ten addresses wrong and then takes the next message may well be right about them:
                // the next wave must be a longer one, or those addresses would keep everybody waiting for good.
                self.wave = if pause.cause == Cause::Addresses { (self.wave * 2).min(Window::SIZE) } else { self.wave };
                self.epoch += 1;
                self.phase = Phase::Ramping { pause, since: now, credit: BURST, counted_at: now };
                self.promised = 0.0;
                self.count(answer, reason, device, now)
            }
            Proof::Broken(cause) => {
                let asked = if let Answer::Throttled(asked) = answer { asked } else { None };
                self.stop(cause, asked, reason, now);
                Learned { believed: false, take_back: Vec::new() }
            }
            Proof::Missing => {
                self.phase = Phase::Paused(Pause { until: now, ..pause });
                Learned { believed: true, take_back: Vec::new() }
            }
            Proof::Open => {
                self.phase = Phase::Paused(Pause { until: now + pause.cause.wait(0, None), ..pause });
                self.promised = 0.0;
                Learned { believed: true, take_back: Vec::new() }
            }
        }
    }
}

/// What `answer` to a probe proves in a trouble of that kind. Any answer ends an outage and any but a refusal shows that
/// credentials are good; that addresses are right again only an accepted message shows.
fn proof(cause: Cause, answer: Answer) -> Proof {
    match (cause, answer) {
        (_, Answer::Accepted) => Proof::Mended,
        (_, Answer::Refused) => Proof::Broken(Cause::Credentials),
        (_, Answer::Throttled(_)) => Proof::Broken(Cause::Quota),
        (Cause::Addresses, Answer::BadAddress | Answer::Down) => Proof::Broken(Cause::Addresses),
        (_, Answer::Down) => Proof::Broken(Cause::Outage),
        (_, Answer::Nothing) => Proof::Missing,
        (Cause::Addresses, Answer::Works) => Proof::Open,
        (_, Answer::BadAddress | Answer::Works) => Proof::Mended,
    }
}
