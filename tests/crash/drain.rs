//! One of two workers is killed in mid-drain: how soon the other notices, and how soon after a restart all is settled.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use uuid::Uuid;

use crate::fleet::{Process, Told};
use crate::journal::{Journal, micros};
use crate::lab::Lab;
use crate::people::{Patient, People, Phone};
use crate::sink::{Answer, Sink};
use crate::sql::Sql;
use crate::{Kit, dice::Dice, micros_now, now};

/// From the kill until another worker puts back what the dead one held.
const NOTICED_WITHIN: Duration = Duration::from_secs(1);
/// From the restart until nothing is due or in flight.
const SETTLED_WITHIN: Duration = Duration::from_secs(4);
const CONCURRENCY: i64 = 256;
/// As many results as are being written or wait for that.
const UNSETTLED: usize = 500;
const DATABASE: &str = "drain";

/// Runs it once; true if the bounds were kept.
pub async fn run(alerts: usize) -> anyhow::Result<bool> {
    let kit = Kit::new()?;
    let lab = Lab::open(0).await?;
    lab.database(DATABASE).await?;
    let sink = Sink::open(0, true).await?;
    let sql = lab.sql(DATABASE);
    seed(&kit, &sql, alerts).await?;
    let told = Told {
        url: lab.url(DATABASE),
        data_dir: kit.dir.clone(),
        credentials: kit.credentials(&sink.base),
        sink: sink.base.clone(),
        concurrency: CONCURRENCY,
        logs: kit.dir.clone(),
    };
    let mut survivor = Process::start(&told, "worker", "w1")?;
    let mut victim = Process::start(&told, "worker", "w2")?;
    sent(&sql, alerts / 3).await?;
    victim.kill().await;
    let killed_at = micros_now();
    let restarted = Instant::now();
    let mut second = Process::start(&told, "worker", "w3")?;
    sent(&sql, alerts).await?;
    let settled = restarted.elapsed();
    survivor.kill().await;
    second.kill().await;

    let held = format!(
        "SELECT count(*), {} FROM crash.moves AS m WHERE was = 'sending' AND state = 'scheduled' AND who <> 'w2'",
        micros("min(at)")
    );
    let held = sql.rows(&held).await?.remove(0);
    let number = |column: usize| held[column].as_ref().and_then(|text| text.parse::<i64>().ok());
    let (rescued, noticed_at) = (number(0).unwrap_or_default(), number(1));
    ensure!(rescued > 0, "the worker died with nothing in flight: try again with more alerts");
    let noticed = Duration::from_micros((noticed_at.context("a rescue")? - killed_at).max(0).unsigned_abs());
    let journal = Journal::read(&sql).await?;
    let lost = journal.ended.values().filter(|ended| ended.state != "sent").count();
    let accepted = sink.pushes().iter().filter(|push| push.answer == Answer::Accepted).count();
    let again = accepted.saturating_sub(alerts);
    let most_again = usize::try_from(CONCURRENCY)? + UNSETTLED;
    println!(
        "{alerts} alerts, two workers, one killed over {rescued} of them (debug build):\n\
         noticed after {:.2} s (at most {:.0}), all settled {:.2} s after the restart (at most {:.0}), {lost} lost, \
         {again} sent twice (at most {most_again}: in flight, or accepted and not yet settled)",
        noticed.as_secs_f64(),
        NOTICED_WITHIN.as_secs_f64(),
        settled.as_secs_f64(),
        SETTLED_WITHIN.as_secs_f64()
    );
    std::fs::remove_dir_all(&kit.dir).ok();
    Ok(noticed <= NOTICED_WITHIN && settled <= SETTLED_WITHIN && lost == 0 && again <= most_again)
}

/// One patient with one phone, who is owed everything now.
async fn seed(kit: &Kit, sql: &Sql, alerts: usize) -> anyhow::Result<()> {
    let mut people = People::throw(&mut Dice::new(1));
    people.patients.truncate(1);
    let patient: &mut Patient = people.patients.first_mut().context("a patient")?;
    patient.phones = vec![Phone { id: Uuid::new_v4(), touched: false }];
    let (clinic, id) = (people.clinic, people.patients[0].id);
    people.seed(sql, &kit.keys, now()).await?;
    sql.run(&format!(
        "INSERT INTO alerts (clinic_id, id, recipient_kind, recipient_id, dedupe_key, category, urgent, due_at, next_attempt_at,
             expires_at, state, plan_revision, superseded, claim_no, tries)
         SELECT '{clinic}', gen_random_uuid(), 'patient', '{id}', 't:' || n, 'routine', false, now(), now(),
                now() + interval '1 day', 'scheduled', 1, false, 0, 0
           FROM generate_series(1, {alerts}) AS n"
    ))
    .await
}

/// Waits until so many are sent.
async fn sent(sql: &Sql, wanted: usize) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        let sent = sql.rows("SELECT count(*) FROM alerts WHERE state = 'sent'").await?;
        if sent[0][0].as_ref().is_some_and(|sent| sent.parse::<usize>().is_ok_and(|sent| sent >= wanted)) {
            return Ok(());
        }
        ensure!(started.elapsed() < Duration::from_secs(60), "the drain stopped short of {wanted}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
