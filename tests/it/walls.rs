//! The second wall: what the server's roles can do to the tables when a query forgets whom it is about. Every table of the
//! catalogue is tried, whoever adds one.

use std::collections::BTreeSet;

use diesel::QueryableByName;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use mendline::db::{Connector, Group};

use crate::support::{TestDatabase, as_group};

/// Two clinics, each of which has everything, under the one id that is all of its ids.
const HERE: &str = "00000000-0000-4000-8000-00000000000a";
const THERE: &str = "00000000-0000-4000-8000-00000000000b";

/// Tables without a wall, each with its reason.
const BARE: [(&str, &str); 1] =
    [("__diesel_schema_migrations", "names of migrations, which every server compares with its own")];
/// What belongs to no clinic: everybody may read it.
const NOBODYS: [&str; 1] = ["push_health"];

const EVERYTHING: &str = include_str!("support/everything.sql");

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

async fn lines(conn: &mut AsyncPgConnection, sql: &str) -> diesel::QueryResult<Vec<String>> {
    let lines: Vec<Line> = diesel::sql_query(sql).load(conn).await?;
    Ok(lines.into_iter().map(|line| line.line).collect())
}

async fn owner(database: &TestDatabase) -> AsyncPgConnection {
    Connector::new(&database.url, None).unwrap().open().await.unwrap()
}

async fn member(database: &TestDatabase, group: Group) -> AsyncPgConnection {
    Connector::new(&as_group(&database.url, group), None).unwrap().open().await.unwrap()
}

/// Every table and partition of ours.
async fn tables(owner: &mut AsyncPgConnection, condition: &str) -> Vec<String> {
    let sql = format!(
        "SELECT relname::text AS line FROM pg_class AS c
          WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND {condition} ORDER BY 1"
    );
    lines(owner, &sql).await.unwrap()
}

/// Which rows of a table are this clinic's. A new table without a clinic says so here.
fn whose(table: &str, columns: &[String], clinic: &str) -> String {
    match table {
        "clinics" | "users" => format!("id = '{clinic}'"),
        "devices"
        | "notification_preferences"
        | "second_factors"
        | "recovery_codes"
        | "login_deletions"
        | "consents" => format!("user_id = '{clinic}'"),
        "local_reminders" => format!("device_id = '{clinic}'"),
        "restores" => format!("id = '{clinic}'"),
        "refresh_tokens" => format!("session_id = '{clinic}'"),
        "protocol_texts" => format!("version_id = '{clinic}'"),
        "claims" => format!("'{clinic}' = ANY (clinic_ids)"),
        _ => {
            assert!(
                columns.iter().any(|column| column == "clinic_id"),
                "{table}: say in whose() which rows are a clinic's"
            );
            format!("clinic_id = '{clinic}'")
        }
    }
}

struct Table {
    name: String,
    /// Those that a statement may set.
    columns: Vec<String>,
    /// The rows of the clinic there, as text and as JSON.
    theirs: Vec<String>,
    json: String,
}

/// Every table, with what the clinic there has in it: none is empty, or nothing would be tried.
async fn filled(database: &TestDatabase) -> Vec<Table> {
    let mut owner = owner(database).await;
    for clinic in [HERE, THERE] {
        owner.batch_execute(&EVERYTHING.replace("{id}", clinic)).await.unwrap();
    }
    let mut found = Vec::new();
    for name in tables(&mut owner, "NOT relispartition").await {
        if BARE.iter().any(|(bare, _)| *bare == name) || NOBODYS.contains(&name.as_str()) {
            continue;
        }
        let columns = format!(
            "SELECT attname::text AS line FROM pg_attribute
              WHERE attrelid = '{name}'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attidentity = ''
              ORDER BY attnum"
        );
        let columns = lines(&mut owner, &columns).await.unwrap();
        let theirs = whose(&name, &columns, THERE);
        let row = |what: &str| format!("SELECT {what} AS line FROM {name} AS t WHERE {theirs}");
        let (text, json) = (row("t::text"), row("to_jsonb(t)::text"));
        let (text, json) = (lines(&mut owner, &text).await.unwrap(), lines(&mut owner, &json).await.unwrap());
        let json =
            json.into_iter().next().unwrap_or_else(|| panic!("{name} is empty: give it a row in everything.sql"));
        found.push(Table { name, columns, theirs: text, json });
    }
    assert!(found.len() > 40, "the whole catalogue");
    found
}

/// What a statement did in `scope`: the rows that it touched, or why it was refused. Nothing of it stays.
async fn attempt(conn: &mut AsyncPgConnection, scope: &str, sql: &str) -> Result<Vec<String>, String> {
    conn.batch_execute(&format!("BEGIN; {scope}")).await.unwrap();
    let done = lines(conn, sql).await.map_err(|error| error.to_string());
    conn.batch_execute("ROLLBACK").await.unwrap();
    done
}

/// The four things that a query without the application's own filter could do to a table.
fn unfiltered(table: &Table) -> [(&'static str, String); 4] {
    let Table { name, columns, json, .. } = table;
    let column = &columns[0];
    let list = columns.join(", ");
    let literal = json.replace('\'', "''");
    [
        ("SELECT", format!("SELECT t::text AS line FROM {name} AS t")),
        ("UPDATE", format!("UPDATE {name} AS t SET {column} = {column} RETURNING t::text AS line")),
        ("DELETE", format!("DELETE FROM {name} AS t RETURNING t::text AS line")),
        (
            "INSERT",
            format!(
                "INSERT INTO {name} AS t ({list}) SELECT {list} FROM jsonb_populate_record(NULL::{name}, '{literal}')
                 RETURNING t::text AS line"
            ),
        ),
    ]
}

fn is_refusal(error: &str) -> bool {
    error.contains("row-level security") || error.contains("permission denied")
}

/// Tries everything on every table and returns what came through.
async fn breaches(conn: &mut AsyncPgConnection, tables: &[Table], scope: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    for table in tables {
        let theirs: BTreeSet<&String> = table.theirs.iter().collect();
        for (verb, sql) in unfiltered(table) {
            let name = &table.name;
            match attempt(conn, scope, &sql).await {
                Ok(_) if verb == "INSERT" => breaches.push(format!("{scope}: a row of theirs went into {name}")),
                Ok(rows) if rows.iter().any(|row| theirs.contains(row)) => {
                    breaches.push(format!("{scope}: {verb} reached their rows of {name}"));
                }
                Err(error) if matches!(verb, "UPDATE" | "DELETE") && !is_refusal(&error) => {
                    // Our own row holds it up. Theirs alone, then.
                    let ids: Vec<String> = theirs.iter().map(|row| format!("'{}'", row.replace('\'', "''"))).collect();
                    let alone = format!(" WHERE t::text IN ({}) RETURNING", ids.join(", "));
                    let done = attempt(conn, scope, &sql.replace(" RETURNING", &alone)).await;
                    if done != Ok(Vec::new()) {
                        breaches.push(format!("{scope}: {verb} of their rows of {name}: {done:?}"));
                    }
                }
                Err(error) if !is_refusal(&error) => breaches.push(format!("{scope}: {verb} on {name}: {error}")),
                Ok(_) | Err(_) => {}
            }
        }
    }
    breaches
}

fn clinic(id: &str) -> String {
    format!("SET LOCAL mendline.scope = 'clinic'; SET LOCAL mendline.clinic_id = '{id}'")
}

fn user(id: &str) -> String {
    format!("SET LOCAL mendline.scope = 'user'; SET LOCAL mendline.user_id = '{id}'")
}

#[tokio::test]
async fn every_table_and_every_partition_has_a_wall() {
    let database = TestDatabase::create().await;
    let mut owner = owner(&database).await;
    let without = "NOT (relrowsecurity AND relforcerowsecurity
        AND EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid AND p.polname = 'everything'))";
    let bare: Vec<&str> = BARE.iter().map(|(table, _)| *table).collect();
    assert_eq!(tables(&mut owner, without).await, bare, "SELECT wall('...') in the migration that makes a table");
}

#[tokio::test]
async fn a_query_that_forgets_its_filter_neither_sees_nor_touches_another_clinic() {
    let database = TestDatabase::create().await;
    let tables = filled(&database).await;
    let mut api = member(&database, Group::Api).await;
    for scope in [clinic(HERE), user(HERE)] {
        assert_eq!(breaches(&mut api, &tables, &scope).await, Vec::<String>::new());
    }
    // The trial is none if nothing would be seen at all.
    let mut seen = 0;
    for table in &tables {
        let [(_, select), ..] = unfiltered(table);
        seen += attempt(&mut api, &clinic(THERE), &select).await.map_or(0, |rows| rows.len());
    }
    assert!(seen > 35, "a clinic sees its own: {seen}");
}

#[tokio::test]
async fn without_a_scope_or_in_one_that_is_not_its_own_a_role_sees_nothing() {
    let database = TestDatabase::create().await;
    let tables = filled(&database).await;
    let identity = "SET LOCAL mendline.scope = 'identity'".to_owned();
    let system = "SET LOCAL mendline.scope = 'system'".to_owned();
    // Ids without the scope that they belong to.
    let stray = format!("SET LOCAL mendline.clinic_id = '{THERE}'; SET LOCAL mendline.user_id = '{THERE}'");
    for (group, scopes) in [
        (Group::Api, vec![String::new(), identity.clone(), system, stray.clone()]),
        (Group::Worker, vec![String::new(), identity, stray, clinic(THERE), user(THERE)]),
    ] {
        let mut conn = member(&database, group).await;
        for scope in scopes {
            assert_eq!(breaches(&mut conn, &tables, &scope).await, Vec::<String>::new(), "{group:?}");
        }
    }
}

#[tokio::test]
async fn a_person_sees_what_is_its_own_and_nothing_clinical() {
    let database = TestDatabase::create().await;
    let tables = filled(&database).await;
    let mut api = member(&database, Group::Api).await;
    let mut seen = Vec::new();
    for table in &tables {
        let [(_, select), ..] = unfiltered(table);
        if attempt(&mut api, &user(HERE), &select).await.is_ok_and(|rows| !rows.is_empty()) {
            seen.push(table.name.as_str());
        }
    }
    let own = [
        "calendar_feeds",
        "clinics",
        "consents",
        "devices",
        "local_reminders",
        "login_deletions",
        "memberships",
        "notification_preferences",
        "protocol_texts",
        "protocol_versions",
        "recovery_codes",
        "refresh_tokens",
        "reset_codes",
        "second_factors",
        "sessions",
        "users",
    ];
    assert_eq!(seen, own);
}

#[tokio::test]
async fn a_clinic_reaches_the_logins_of_whoever_belongs_to_it_and_of_nobody_who_did_once() {
    let database = TestDatabase::create().await;
    let tables = filled(&database).await;
    let (mut owner, mut api) = (owner(&database).await, member(&database, Group::Api).await);
    // The person there works here as well, and has a session that acts here.
    let joined = format!(
        "INSERT INTO memberships (clinic_id, id, user_id, role, created_at)
             VALUES ('{HERE}', gen_random_uuid(), '{THERE}', 'clinician', now());
         INSERT INTO sessions (id, user_id, clinic_id, created_at, last_used_at, idle_expires_at, expires_at)
             VALUES (gen_random_uuid(), '{THERE}', '{HERE}', now(), now(), now(), now())"
    );
    owner.batch_execute(&joined).await.unwrap();
    let mut reached = Vec::new();
    for table in &tables {
        let [(_, select), ..] = unfiltered(table);
        let rows = attempt(&mut api, &clinic(HERE), &select).await.unwrap_or_default();
        if rows.iter().any(|row| table.theirs.contains(row)) {
            reached.push(table.name.as_str());
        }
    }
    let of_members = [
        "devices",
        "local_reminders",
        "login_deletions",
        "notification_preferences",
        "recovery_codes",
        "reset_codes",
        "second_factors",
        "users",
    ];
    assert_eq!(reached, of_members);
    let session = format!("SELECT id::text AS line FROM sessions WHERE user_id = '{THERE}'");
    assert_eq!(attempt(&mut api, &clinic(HERE), &session).await.unwrap().len(), 1);

    let left = format!("UPDATE memberships SET removed_at = now() WHERE user_id = '{THERE}' AND clinic_id = '{HERE}'");
    owner.batch_execute(&left).await.unwrap();
    assert_eq!(breaches(&mut api, &tables, &clinic(HERE)).await, Vec::<String>::new());
    assert_eq!(attempt(&mut api, &clinic(HERE), &session).await.unwrap(), Vec::<String>::new());

    // What they are called is told where they did something, and to nobody whom they never had to do with.
    let name = |whose: &str| format!("SELECT display_name AS line FROM names_of_members(ARRAY['{whose}'::uuid])");
    assert_eq!(attempt(&mut api, &clinic(HERE), &name(THERE)).await.unwrap(), ["U"]);
    for (scope, whose) in [(clinic(THERE), HERE), (user(HERE), HERE), (String::new(), HERE)] {
        assert_eq!(attempt(&mut api, &scope, &name(whose)).await.unwrap(), Vec::<String>::new(), "{scope}");
    }

    // Who is signed out belongs to the clinic, and is among those whom it has locked.
    let sign_out = |locked: &str| {
        format!(
            "SELECT session_id::text AS line FROM end_sessions_of_members(ARRAY[{locked}]::uuid[], gen_random_uuid(), now())"
        )
    };
    let both = sign_out(&format!("'{HERE}', '{THERE}'"));
    assert_eq!(attempt(&mut api, &clinic(HERE), &both).await.unwrap(), [HERE]);
    assert_eq!(attempt(&mut api, &clinic(HERE), &sign_out("")).await.unwrap(), Vec::<String>::new());
    let mine = sign_out(&format!("'{HERE}'"));
    for scope in [clinic(THERE), user(HERE), String::new()] {
        assert_eq!(attempt(&mut api, &scope, &mine).await.unwrap(), Vec::<String>::new(), "{scope}");
    }
}

#[tokio::test]
async fn the_audit_can_be_written_and_read_and_neither_changed_nor_dropped() {
    let database = TestDatabase::create().await;
    filled(&database).await;
    for (group, scope) in
        [(Group::Api, clinic(HERE)), (Group::Worker, "SET LOCAL mendline.scope = 'system'".to_owned())]
    {
        let mut conn = member(&database, group).await;
        assert!(!attempt(&mut conn, &scope, "SELECT t::text AS line FROM audit AS t").await.unwrap().is_empty());
        for sql in [
            "UPDATE audit SET action = 'x' RETURNING action AS line",
            "UPDATE audit_seals SET entries = 1 RETURNING day::text AS line",
            "DELETE FROM audit_seals RETURNING day::text AS line",
            "TRUNCATE audit_seals",
            "DELETE FROM audit RETURNING action AS line",
            "TRUNCATE audit",
            "DROP TABLE audit_rest",
            "SELECT drop_month_partitions('audit', current_date)::text AS line",
            "ALTER TABLE audit DISABLE ROW LEVEL SECURITY",
            "SELECT wall('audit')::text AS line",
        ] {
            let refused = attempt(&mut conn, &scope, sql).await.unwrap_err();
            assert!(
                ["permission denied", "must be owner", "kept longer"].iter().any(|said| refused.contains(said)),
                "{group:?} {sql}: {refused}"
            );
        }
        for partition in tables(&mut owner(&database).await, "relispartition").await {
            let read = format!("SELECT t::text AS line FROM {partition} AS t");
            assert!(attempt(&mut conn, &scope, &read).await.unwrap_err().contains("permission denied"), "{partition}");
        }
    }
}

#[tokio::test]
async fn the_roles_own_nothing_and_what_runs_as_the_owner_is_for_them_alone() {
    let database = TestDatabase::create().await;
    let mut owner = owner(&database).await;
    let mighty = "SELECT rolname::text AS line FROM pg_roles AS r WHERE rolname LIKE 'mendline\\_%'
        AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb
             OR EXISTS (SELECT FROM pg_class AS c WHERE c.relowner = r.oid))";
    assert_eq!(lines(&mut owner, mighty).await.unwrap(), Vec::<String>::new());
    let open =
        "SELECT proname::text AS line FROM pg_proc AS p WHERE pronamespace = 'public'::regnamespace AND prosecdef
        AND (NOT coalesce(proconfig, '{}') @> '{\"search_path=public, pg_temp\"}'
             OR EXISTS (SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) AS a WHERE a.grantee = 0))";
    assert_eq!(lines(&mut owner, open).await.unwrap(), Vec::<String>::new(), "SET search_path, and REVOKE from PUBLIC");
    let doors = "SELECT proname::text AS line FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef
        AND has_function_privilege('mendline_api', oid, 'EXECUTE') ORDER BY 1";
    let known = [
        "append_reads",
        "clinic_of_feed",
        "clinic_of_invitation",
        "count_clinics_of_login",
        "end_sessions_of_members",
        "login_of_email",
        "login_of_fetch_token",
        "login_of_reset_code",
        "my_records",
        "names_of_members",
        "session_of_token",
        "take_address",
        "tokens_called_back",
        "vapid_key_of_address",
    ];
    assert_eq!(lines(&mut owner, doors).await.unwrap(), known, "a further door needs a reason");
}
