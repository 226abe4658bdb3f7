//! Statements of the hot path: fixed SQL with typed binds, so that each is prepared once per connection.
//! diesel does not cache `sql_query`, `UPDATE` statements or upserts; these it does.

use diesel::QueryResult;
use diesel_async::methods::LoadQuery;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

/// Runs a statement that ends with how many rows it changed.
pub(crate) async fn counted<'query, Q>(query: Q, conn: &mut AsyncPgConnection) -> QueryResult<usize>
where
    Q: LoadQuery<'query, AsyncPgConnection, i64> + Send + 'query,
{
    let rows: i64 = query.get_result(conn).await?;
    Ok(usize::try_from(rows).unwrap_or(0))
}

/// Declares a statement as a struct of its binds. The binds come first, in a common table expression that nobody
/// reads, so that the SQL can name them `$1`, `$2`, ... in any order and more than once. The SQL goes on from there:
/// it starts either with `, name AS (...)` or with the main statement.
macro_rules! hot_query {
    (
        $(#[$doc:meta])*
        $vis:vis struct $name:ident { $($(#[$field_doc:meta])* $field:ident : $rust:ty as $sql:ty),+ $(,)? }
        returns $returns:ty;
        $text:expr
    ) => {
        $(#[$doc])*
        #[derive(Debug, diesel::query_builder::QueryId)]
        $vis struct $name { $($(#[$field_doc])* pub $field: $rust),+ }

        impl diesel::query_builder::QueryFragment<diesel::pg::Pg> for $name {
            fn walk_ast<'b>(
                &'b self,
                mut out: diesel::query_builder::AstPass<'_, 'b, diesel::pg::Pg>,
            ) -> diesel::QueryResult<()> {
                out.push_sql("WITH binds AS (SELECT ");
                $(
                    out.push_bind_param::<$sql, _>(&self.$field)?;
                    out.push_sql(", ");
                )+
                out.push_sql("true) ");
                out.push_sql($text);
                Ok(())
            }
        }

        impl diesel::query_builder::Query for $name {
            type SqlType = $returns;
        }
    };
}

pub(crate) use hot_query;
