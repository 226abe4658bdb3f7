//! Waiting for somebody's row and then reading what was written meanwhile, in one round trip.

use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use uuid::Uuid;

/// The statement that locks a patient's row.
pub(super) fn patient(clinic_id: Uuid, patient_id: Uuid) -> String {
    format!("SELECT 1 FROM patients WHERE clinic_id = '{clinic_id}' AND id = '{patient_id}' FOR UPDATE")
}

/// Locks a patient's row until the transaction ends and runs the one statement of `read` after it. What is planned or
/// changed for one person is planned and changed under this lock.
///
/// The two are sent together but are two statements: under READ COMMITTED a statement that waits for a lock goes on with
/// the view of the data from before the wait, and would miss what the transaction it waited for has just written. Their
/// order is certain: both futures are polled in turn, and the first, which needs no preparation, is sent when polled.
pub(crate) async fn read_locked<T>(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    patient_id: Uuid,
    read: impl AsyncFnOnce(&mut &AsyncPgConnection) -> QueryResult<T>,
) -> QueryResult<T> {
    let lock = patient(clinic_id, patient_id);
    let (mut locking, mut reading) = (&*conn, &*conn);
    let locked = locking.batch_execute(&lock);
    let ((), value) = futures_util::future::try_join(locked, read(&mut reading)).await?;
    Ok(value)
}
