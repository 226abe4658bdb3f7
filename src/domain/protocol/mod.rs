//! A protocol version: the aftercare plan as data. Types and their TOML form live here; nothing here lays anything out
//! in real time (`timeline.rs`), reads files or knows a clock.
//!
//! A protocol is a folder: `protocol.toml` (structure) and one `<locale>.toml` per language (texts). What the sources
//! say lives once beside the protocols, in `facts.toml`, and items refer to it by id.
//!
//! # Structure: `protocol.toml`
//! ```toml
//! key = "conservative"            # lower-case letters, digits, '-' (protocols) or '_' (everything inside)
//! version = 1
//! base_locale = "en"
//! applies_to = { areas = ["face"], modalities = ["microneedling"] }
//! alerts_a_day = 4                # the most that may fall on one day (due within 30 min of each other count once)
//! series = { sessions = 3, most = 12, interval_min = "P4W", interval_max = "P6W" }
//!
//! # Facts that no item carries, each with the reason.
//! not_carried = [{ facts = ["M18"], reason = "a claim of full recovery on day 4-5 stays evidence only" }]
//!
//! # Phases in order; each lasts until the next one starts. `from` counts elapsed time, `from_day` local days.
//! phases = [
//!   { key = "first_hours", from = "PT0S" },
//!   { key = "calming", from_day = 1 },
//! ]
//!
//! # A condition ends when a check-in reports the field as absent; reports before `counts_from` say nothing, and a
//! # later report of the symptom takes the end back.
//! conditions = [{ key = "flaking_ended", field = "flaking", counts_from = "P4D" }]
//!
//! # The order in which the app asks. Every field of `triage::Field` that a rule reads must be asked.
//! check_in_fields = ["redness", "warmth", "pus", "temperature", "feels_feverish"]
//!
//! [[items]]
//! key = "make_up"
//! kind = "restriction"            # milestone restriction routine check_in red_flag product_advice follow_up session
//!                                 # faq clinic_prevention
//! group = "make_up"               # restrictions and routines about one thing share a group
//! relation = "lasts"              # in starts_by peaks ends_by lasts
//! # Three bases, never mixed:
//! #   elapsed    absolute time from T0; `from` defaults to PT0S, `to` may be left out by advice that stays
//! #   local_day  wall clock: day indexes (0 = the local date of the treatment), both included, and times of day
//! #   condition  ends with the condition, not before `minimum`, at the latest at `cap`
//! # For a restriction the window's end is the HARD bound.
//! window = { basis = "elapsed", from = "PT0S", to = "PT72H" }
//! # After the hard bound it may stay advisable: `soft = { to = "P7D" }`, or bound to a condition:
//! soft = { until = "flaking_ended", cap = "P10D" }
//! # The spread of what the sources say; the bounds that the protocol chose stand in `window` and `soft`.
//! range = { min = "PT24H", max = "PT72H" }
//! # Nothing is sent unless an item says so.
//! reminders = [{ at = "close" }]
//! links = ["make_up_heavy"]       # items worth reading next
//! evidence = ["R03", "R08"]       # ids in facts.toml
//! product_decision = true         # the figure is ours: no source gives it
//!
//! [[items]]
//! key = "retinoids"
//! kind = "restriction"
//! window = { basis = "condition", minimum = "P7D", until = "flaking_ended", cap = "P14D" }
//! reminders = [{ at = "close" }]
//! evidence = ["R09", "R11"]
//!
//! [[items]]
//! key = "flaking_may_start"
//! kind = "milestone"
//! relation = "starts_by"
//! window = { basis = "local_day", from_day = 1, to_day = 2 }
//! priority = 60                   # 0-100, default 50; the higher one wins a day that two milestones share
//! # `preferred`: the patient's preferred local time on the window's first day, or on day index `day`.
//! reminders = [{ at = "preferred", day = 1 }]
//! hold_on_flag = false            # true: not sent while a flag of level soon or above is open (results, sessions)
//! evidence = ["M10"]
//!
//! [[items]]
//! key = "cleanse"
//! kind = "routine"
//! group = "washing"
//! window = { basis = "local_day", from_day = 3, to_day = 13 }
//! # once       one task from the window's start (+ `offset`) to its end
//! # daily      one task a day, from the window's `from_time` to its `to_time`
//! # times      N tasks a day, one per slot; `days = [1, 2, 5]` keeps just these day indexes
//! # every      every `hours` from `from` to `to`, only while the patient has the mode `while` switched on
//! # as_needed  no task: shown as advice
//! recurrence = { kind = "times", times = [{ from = "07:00", to = "11:00" }, { from = "19:00", to = "23:00" }] }
//! grace = "PT2H"                  # default PT2H: how long after its close a task may still be ticked off as late
//! actor = "patient"               # or clinic: never asked of the patient
//! counts = true                   # default false: enters compliance
//! weight = 1                      # default 1
//! # at = open | close | preferred, moved by a signed offset; `from_day`/`to_day` and `seq` (positions in the day,
//! # from 0) thin the reminders out; `text` names another alert text than the item's own.
//! reminders = [{ at = "open", offset = "PT1H", from_day = 3, to_day = 6, seq = [0] }]
//! evidence = ["T07"]
//! product_decision = true
//!
//! # Triage: every rule that matches counts, the highest level leads.
//! # Tests: `at_least` (0-3, or degrees Celsius for temperature), `is` (a word or true), `rising` (at least so many
//! # steps above the check-in before). Combine with `all` and `any`, as deep as needed.
//! [[triage]]
//! key = "redness_rising"
//! level = "urgent"                # emergency urgent soon routine
//! advice = "call_today"           # a key of [advice] in the texts
//! after = "PT24H"                 # from this moment on (optional)
//! before = "P10D"                 # until this moment (optional)
//! recheck = "PT4H"                # look again after this long (optional)
//! when = { all = [{ any = [{ field = "redness", rising = 1 }, { field = "warmth", rising = 1 }] },
//!                 { any = [{ field = "pain", at_least = 2 }, { field = "pus", is = "coloured" }] }] }
//! evidence = ["F01"]
//! ```
//! Durations are ISO 8601 with weeks, days, hours, minutes and seconds; a day is 24 h and months do not exist.
//! Times of day are `HH:MM`; `24:00` is the end of the day.
//!
//! # Texts: `<locale>.toml`
//! ```toml
//! locale = "en"
//! reviewed = true                 # false: safety texts of this translation are not served without consent
//! name = "Careful"
//!
//! [phases.first_hours]
//! title = "The first hours"
//! body = "..."                    # optional
//!
//! [items.make_up]
//! title = "Make-up"               # every item
//! body = "..."                    # milestone, routine, red_flag, product_advice, follow_up, session, faq (the answer),
//!                                 # clinic_prevention: needed; restriction, check_in: optional
//! why = "..."                     # restriction: needed
//! instead = "..."                 # optional: what is fine meanwhile
//! soft = "..."                    # optional: what still holds between the hard and the soft bound
//! alert = { title = "...", body = "..." }            # needed where the item has reminders
//! alerts.evening = { title = "...", body = "..." }   # reminders that name `text = "evening"`
//!
//! [advice.none]                   # needed: what to say when no rule matches
//! title = "..."
//! body = "..."
//!
//! [advice.call_today]
//! title = "..."
//! body = "..."
//!
//! [check_in.redness]
//! question = "How red is your skin?"
//! anchors = ["not at all", "pink", "red", "very red"]   # four for 0-3 fields; for choices one per choice, in order
//! ```
//!
//! # Facts: `facts.toml`
//! ```toml
//! [sources.S1]
//! title = "A device maker's guide for professionals"
//! grade = "manufacturer"          # manufacturer clinic blog
//!
//! [facts.R03]
//! value = "No make-up for at least 24-48 h; elsewhere 48-72 h"
//! cited = [{ source = "S1", at = "L117" }, { source = "S1", at = "L188" }]
//! # All optional: the figures, a reservation, and for a disagreement who says what and what the default does.
//! window = { from = "PT0S", to = "P1D" }       # or { first_day = 1, last_day = 2 }
//! relation = "in"
//! wait = { min = "PT24H", max = "PT72H" }
//! frequency = "twice a day"
//! vague = true
//! attributed = "unverified"
//! positions = { S1 = "24 to 48 hours" }
//! decision = "..."
//! note = "..."
//!
//! [spans.flaking]                 # how long something that check-ins ask on a scale usually shows
//! from = "P1D"                    # sooner is early
//! to = "P7D"                      # from here late
//! overdue = "P10D"                # from here overdue; absent where no source names an end
//! evidence = ["M10", "M22"]
//! ```

mod builtin;
mod busy;
mod diff;
mod disagreements;
mod facts;
mod heading;
mod item;
mod load;
mod parse;
mod parse_item;
mod parse_rule;
mod parse_texts;
mod read;
mod rule;
mod show;
mod span;
mod texts;
mod units;
mod validate;
mod validate_rules;
mod validate_size;
mod validate_tasks;
mod validate_texts;
mod version;

pub use builtin::{BuiltIn, builtin, builtin_facts, builtin_files};
pub use busy::{Busiest, busiest};
pub use diff::{Aspect, Change, Diff, Entry, Fate, Side, Value, diff, diff_text};
pub use disagreements::{Disagreement, Stance, Voice, disagreements};
pub use facts::{Citation, Evidence, EvidenceSource, Fact, FactWindow, Facts, Figures, Grade, Position, Source};
pub use heading::{Heading, heading, renamed};
pub use item::{Actor, Item, Kind, Recurrence, Relation, Reminder, ReminderAt, Slot, Soft, Spread, Window};
pub use load::{Files, MOST_BYTES, load};
pub use parse::MOST_ITEMS;
pub use read::{Fault, File, MOST_FAULTS};
pub use rule::{Condition, Level, Rule, Test, When};
pub use show::show;
pub use span::Span;
pub use texts::{AlertText, FieldText, ItemText, PlainText, Texts};
pub use units::{DayTime, IsoDuration};
pub use validate::faults_of;
pub use validate_size::MOST_OCCURRENCES;
pub use validate_texts::NO_ADVICE;
pub use version::{AppliesTo, NotCarried, Phase, PhaseStart, ProtocolVersion, Series, Structure};

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
