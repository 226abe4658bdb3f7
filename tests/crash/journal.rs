//! What really happened, as the database saw it: triggers write down every move of an alert and every accepted try, with
//! who did it, and what a claim could see when it was made. While the disk is full every move asks for a page of its own, so
//! that whoever writes is refused.

use std::collections::{HashMap, HashSet};

use anyhow::Context;
use uuid::Uuid;

use crate::sql::{Row, Sql};

pub const SCHEMA: &str = "
CREATE SCHEMA crash;
CREATE TABLE crash.moves (no bigint GENERATED ALWAYS AS IDENTITY, at timestamptz, who text, alert uuid, was text, state text,
    superseded boolean, claim_no integer, due_at timestamptz, expires_at timestamptz, seen pg_snapshot, padding text);
ALTER TABLE crash.moves ALTER padding SET STORAGE PLAIN;
CREATE TABLE crash.page_per_move (yes boolean);
INSERT INTO crash.page_per_move VALUES (false);
CREATE TABLE crash.accepted (alert uuid, device uuid, claim_no integer, xid xid8);
CREATE FUNCTION crash.note_move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO crash.moves (at, who, alert, was, state, superseded, claim_no, due_at, expires_at, seen, padding)
    VALUES (clock_timestamp(), current_setting('application_name'), NEW.id, CASE TG_OP WHEN 'UPDATE' THEN OLD.state END,
        NEW.state, NEW.superseded, NEW.claim_no, NEW.due_at, NEW.expires_at, pg_current_snapshot(),
        (SELECT CASE WHEN yes THEN repeat('x', 7000) END FROM crash.page_per_move));
    RETURN NULL;
END $$;
CREATE FUNCTION crash.note_try() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.outcome = 'accepted' THEN
        INSERT INTO crash.accepted VALUES (NEW.alert_id, NEW.device_id, NEW.claim_no, pg_current_xact_id());
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE ON alerts FOR EACH ROW EXECUTE FUNCTION crash.note_move();
CREATE TRIGGER note AFTER INSERT ON attempts FOR EACH ROW EXECUTE FUNCTION crash.note_try();
GRANT USAGE ON SCHEMA crash TO mendline_api, mendline_worker;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA crash TO mendline_api, mendline_worker;
";

/// One move of an alert.
#[derive(Debug, Clone)]
pub struct Move {
    pub at: i64,
    pub who: String,
    pub was: Option<String>,
    pub state: String,
    pub superseded: bool,
    pub claim_no: i32,
    pub due_at: i64,
    pub expires_at: i64,
}

impl Move {
    pub fn is_claim(&self) -> bool {
        self.state == "sending" && self.was.as_deref() != Some("sending")
    }
}

/// An alert's row when all is over.
#[derive(Debug, Clone)]
pub struct Ended {
    pub key: String,
    pub patient: Uuid,
    pub state: String,
    pub tries: i32,
    pub due_at: i64,
    pub expires_at: i64,
    pub finalized_at: Option<i64>,
}

#[derive(Default)]
pub struct Journal {
    pub moves: HashMap<Uuid, Vec<Move>>,
    pub ended: HashMap<Uuid, Ended>,
    /// Alert, claim and device, where a claim could see that the device had accepted the alert.
    pub known: HashSet<(Uuid, i32, Uuid)>,
}

pub fn micros(column: &str) -> String {
    format!("(extract(epoch FROM {column}) * 1000000)::bigint")
}

fn get<T: std::str::FromStr>(row: &Row, column: usize) -> anyhow::Result<T> {
    let text = row.get(column).and_then(Option::as_ref).with_context(|| format!("column {column} of {row:?}"))?;
    text.parse().ok().with_context(|| format!("column {column} of {row:?}"))
}

impl Journal {
    pub async fn read(sql: &Sql) -> anyhow::Result<Self> {
        let mut journal = Self::default();
        let (at, due, expires) = (micros("at"), micros("due_at"), micros("expires_at"));
        let moves = format!(
            "SELECT alert, {at}, who, was, state, superseded::int, claim_no, {due}, {expires} FROM crash.moves ORDER BY no"
        );
        for row in sql.insist(&moves).await? {
            journal.moves.entry(get(&row, 0)?).or_default().push(Move {
                at: get(&row, 1)?,
                who: get(&row, 2)?,
                was: get(&row, 3).ok(),
                state: get(&row, 4)?,
                superseded: get::<i32>(&row, 5)? == 1,
                claim_no: get(&row, 6)?,
                due_at: get(&row, 7)?,
                expires_at: get(&row, 8)?,
            });
        }
        let ended = format!(
            "SELECT id, dedupe_key, recipient_id, state, tries, {due}, {expires}, {} FROM alerts",
            micros("finalized_at")
        );
        for row in sql.insist(&ended).await? {
            let ended = Ended {
                key: get(&row, 1)?,
                patient: get(&row, 2)?,
                state: get(&row, 3)?,
                tries: get(&row, 4)?,
                due_at: get(&row, 5)?,
                expires_at: get(&row, 6)?,
                finalized_at: get(&row, 7).ok(),
            };
            journal.ended.insert(get(&row, 0)?, ended);
        }
        let known = "SELECT m.alert, m.claim_no, t.device FROM crash.moves AS m JOIN crash.accepted AS t USING (alert)
            WHERE m.state = 'sending' AND m.was <> 'sending' AND pg_visible_in_snapshot(t.xid, m.seen)";
        for row in sql.insist(known).await? {
            journal.known.insert((get(&row, 0)?, get(&row, 1)?, get(&row, 2)?));
        }
        Ok(journal)
    }
}
