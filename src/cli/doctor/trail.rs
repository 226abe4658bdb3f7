//! The audit trail: is it sealed as its days go by?

use diesel_async::AsyncPgConnection;

use super::report::Report;
use crate::audit::store::seals;
use crate::audit::verify::sealed_by;
use crate::clock::Clocks;

const AREA: &str = "audit trail";

/// Looks whether every clinic has the seal that it should have by now. Whether seals hold is `admin verify-audit`'s question.
pub(super) async fn examine(clocks: &Clocks, conn: &mut AsyncPgConnection, report: &mut Report) -> anyhow::Result<()> {
    let day = sealed_by(clocks.wall.now());
    match seals::count_behind(conn, day).await? {
        0 => report.ok(AREA, format!("sealed up to {day} at least")),
        clinics => report.warn(
            AREA,
            format!("{clinics} clinics have no seal of {day}"),
            "see that a worker runs; if one does, `mendline admin verify-audit` tells which days are missing",
        ),
    }
    Ok(())
}
