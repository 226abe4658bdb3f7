//! What the demo prints: one line an event, two columns an alert, a table at the end.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::cast::ZONE;
use super::story::Told;
use crate::cli::say;

/// Width of the column that shows the lock screen.
const LOCK_SCREEN: usize = 28;
/// Width of the column that shows the app.
const APP: usize = 84;

fn when(at: DateTime<Utc>) -> String {
    at.with_timezone(&ZONE).format("%a %d %b %H:%M").to_string()
}

/// The first lines.
pub fn title() {
    say("mendline demo: two microneedling sessions, six weeks of recovery, told in local time (Europe/Berlin)\n");
    say(&format!("{:<18}{:<17}{:<LOCK_SCREEN$}  {}", "when", "who", "on the lock screen", "in the app"));
    say(&"-".repeat(18 + 17 + LOCK_SCREEN + 2 + APP));
}

/// Where events are shown, each with a pause to read it.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    /// The pause.
    pub pace: Duration,
}

impl Screen {
    /// An alert that arrived.
    pub async fn alert(self, at: DateTime<Utc>, who: &str, lock_screen: &str, app: &str) {
        let (lock_screen, app) = (cut(lock_screen, LOCK_SCREEN), cut(app, APP));
        self.show(at, &format!("{who:<17}{lock_screen:<LOCK_SCREEN$}  {app}")).await;
    }

    /// Something that somebody did.
    pub async fn deed(self, at: DateTime<Utc>, what: &str) {
        self.show(at, &format!("* {what}")).await;
    }

    /// Tasks that were ticked off.
    pub async fn done(self, at: DateTime<Utc>, what: &str) {
        self.show(at, &format!("+ done: {}", cut(what, APP))).await;
    }

    async fn show(self, at: DateTime<Utc>, line: &str) {
        say(&format!("{:<18}{line}", when(at)));
        tokio::time::sleep(self.pace).await;
    }
}

/// The clinic's view, and how to look around.
pub fn closing(base: &str, ops: &str, told: &Told, exit: bool) {
    say("\nClara's worklist");
    say(&format!(
        "  {:<20}{:<12}{:<14}{:<12}{}",
        "patient", "on time", "done at all", "open flags", "asks for attention"
    ));
    for item in told.worklist["items"].as_array().into_iter().flatten() {
        let share = |key: &str| match item["compliance"][key].as_i64() {
            Some(bp) => format!("{} %", percent(bp)),
            None => "no reports".to_owned(),
        };
        let attention: Vec<&str> =
            item["attention"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        say(&format!(
            "  {:<20}{:<12}{:<14}{:<12}{}",
            item["patient"]["display_name"].as_str().unwrap_or("?"),
            share("on_time_bp"),
            share("completion_bp"),
            item["open_flags"].to_string(),
            if attention.is_empty() { "-".to_owned() } else { attention.join(", ") },
        ));
    }
    say("\nPia's course");
    for (number, session) in (1..).zip(&told.sessions) {
        let share = session["compliance"]["on_time_bp"].as_i64();
        let share = share.map_or_else(|| "nothing closed yet".to_owned(), |bp| format!("{} % on time", percent(bp)));
        say(&format!("  session {number} of 3: {share}"));
    }
    if exit {
        return;
    }
    say("\nThe server goes on in real time; Ctrl-C ends it.");
    say(&format!("  API      {base}\n  contract {base}/openapi.yaml, to try at {base}/docs\n  metrics  {ops}/metrics"));
    say("\nLog in as (name, e-mail, password)");
    for (name, email, password) in &told.logins {
        say(&format!("  {name:<17}{email}   {password}"));
    }
    let token = &told.token;
    say("\nTry (the token is Clara's, good for 15 minutes):");
    say(&format!("  TOKEN={token}"));
    say(&format!("  curl -sS {base}/v1/patients -H \"Authorization: Bearer $TOKEN\""));
    say(&format!("  curl -sS {base}/v1/treatments/{}/timeline -H \"Authorization: Bearer $TOKEN\"", told.treatment_id));
    say(&format!("  curl -sS {base}/v1/treatments/{}/guidance -H \"Authorization: Bearer $TOKEN\"", told.treatment_id));
}

/// The line that scripts read.
pub fn last_line(told: &Told) {
    let share = percent(told.on_time_bp);
    say(&format!(
        "\ndemo: {} alerts sent, {} opened, {} expired, compliance {share}%",
        told.sent, told.opened, told.expired
    ));
}

fn percent(bp: i64) -> i64 {
    (bp + 50) / 100
}

/// The text within `width` characters.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}
