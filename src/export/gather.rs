//! Reading all of it at one moment, each table by the condition and the columns that `personal_data` lists, in the scope of whose it
//! is: the walls of the database stand here as everywhere.

use diesel::QueryableByName;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use uuid::Uuid;

use crate::audit::{self, Entry};
use crate::auth::extract::Caller;
use crate::clock::Clocks;
use crate::db::{Db, DbError, Scope, enter};
use crate::domain::role::Role;
use crate::patients;
use crate::personal_data::{Table, Whose, tables};

/// More rows of one table than anybody has, but of the trail.
const MOST_ROWS: usize = 100_000;
/// The trail grows with every look for six years: so many of the newest entries are taken along.
const NEWEST: usize = 20_000;
/// More bytes than anybody's archive has.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// One file of the archive: rows of one table.
#[derive(Debug)]
pub(super) struct File {
    /// Where it lies in the archive.
    pub(super) path: String,
    /// The table.
    pub(super) table: &'static Table,
    /// The rows, each a JSON object.
    pub(super) rows: Vec<String>,
}

/// Why nothing was gathered.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// There is more than an archive may hold.
    #[error("more than an archive may hold")]
    TooMuch,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<diesel::result::Error> for GatherError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// Every statement sees the same moment.
const ONE_MOMENT: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ";

/// What is kept of the caller, everywhere.
pub(super) async fn of_login(db: &Db, clocks: &Clocks, caller: &Caller) -> Result<Vec<File>, GatherError> {
    let login = caller.user_id;
    db.scoped(Scope::User(login), async |conn| {
        conn.batch_execute(ONE_MOMENT).await?;
        let mut files = Vec::new();
        for table in tables() {
            let Whose::Login(condition) = table.whose else { continue };
            let condition = condition.replace("$login", &login.to_string());
            files.push(read(conn, "login", table, &condition, table.shown).await?);
        }
        for (clinic, patient) in patients::store::list_records_of(conn, login).await? {
            enter(conn, Scope::Clinic(clinic)).await?;
            files.extend(of_clinic(conn, clinic, patient, false).await?);
            let entry = Entry {
                clinic_id: clinic,
                actor_role: Role::Patient.as_str(),
                ..Entry::by(caller, "login.export", "user", login)
            };
            audit::record(conn, clocks, entry.about(patient)).await?;
        }
        bounded(files)
    })
    .await
}

/// Whether the caller's clinic has this record: for everybody else there is none.
pub(super) async fn find_record(db: &Db, caller: &Caller, patient: Uuid) -> Result<(), GatherError> {
    let clinic = caller.clinic_id;
    db.scoped(Scope::Clinic(clinic), async |conn| {
        patients::store::find_patient(conn, clinic, patient).await?;
        Ok(())
    })
    .await
}

/// What the caller's clinic keeps of one of its patients, with what it noted for itself.
pub(super) async fn of_record(
    db: &Db,
    clocks: &Clocks,
    caller: &Caller,
    patient: Uuid,
) -> Result<Vec<File>, GatherError> {
    let clinic = caller.clinic_id;
    db.scoped(Scope::Clinic(clinic), async |conn| {
        conn.batch_execute(ONE_MOMENT).await?;
        let files = of_clinic(conn, clinic, patient, true).await?;
        audit::record(conn, clocks, Entry::by(caller, "patient.export", "patient", patient).about(patient)).await?;
        bounded(files)
    })
    .await
}

async fn of_clinic(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    patient: Uuid,
    with_notes: bool,
) -> Result<Vec<File>, GatherError> {
    let mut files = Vec::new();
    for table in tables() {
        let Whose::Record(condition) = table.whose else { continue };
        let condition = condition.replace("$clinic", &clinic.to_string()).replace("$patient", &patient.to_string());
        let noted = if with_notes { table.noted } else { &[] };
        let columns = [table.shown, noted].concat();
        if !columns.is_empty() {
            files.push(read(conn, &format!("clinics/{clinic}"), table, &condition, &columns).await?);
        }
    }
    Ok(files)
}

/// Reads one table. Names come from our own lists, and ids are typed: nothing that anybody sent gets into the text.
async fn read(
    conn: &mut AsyncPgConnection,
    folder: &str,
    table: &'static Table,
    condition: &str,
    columns: &[&str],
) -> Result<File, GatherError> {
    let columns = columns.iter().map(|column| format!("t.\"{column}\"")).collect::<Vec<_>>().join(", ");
    let (order, limit) = if table.name == "audit" { ("1 DESC", NEWEST) } else { ("1", MOST_ROWS + 1) };
    let sql = format!(
        "SELECT row_to_json(r)::text AS line
           FROM (SELECT {columns} FROM {} AS t WHERE {condition} ORDER BY {order} LIMIT {limit}) AS r",
        table.name
    );
    let rows: Vec<Line> = diesel::sql_query(sql).load(conn).await?;
    if rows.len() > MOST_ROWS {
        return Err(GatherError::TooMuch);
    }
    let rows = rows.into_iter().map(|row| row.line).collect();
    Ok(File { path: format!("{folder}/{}.json", table.name), table, rows })
}

fn bounded(files: Vec<File>) -> Result<Vec<File>, GatherError> {
    let bytes: usize = files.iter().flat_map(|file| &file.rows).map(String::len).sum();
    if bytes > MOST_BYTES { Err(GatherError::TooMuch) } else { Ok(files) }
}
