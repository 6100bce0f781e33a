//! What an upload says of its column, in the query of its first part.

use crate::store::UploadPlan;
use rain_cluster::Version;

/// The query for a column.
pub fn to_query(plan: &UploadPlan) -> String {
    let UploadPlan { code, cell_bytes, block_bytes, group_bytes, .. } = plan;
    format!("code={code}&cell={cell_bytes}&block={block_bytes}&group={group_bytes}")
}

/// The column that a query is of; `None` when it is none that [`to_query`] writes.
pub fn from_query(query: &str, title: String, version: Version, column: u16) -> Option<UploadPlan> {
    let mut parts = query.split('&');
    let mut value = |key: &str| parts.next()?.strip_prefix(key)?.strip_prefix('=');
    let code = value("code")?.to_owned();
    let number = |text: Option<&str>| text?.parse().ok();
    let (cell_bytes, block_bytes, group_bytes) =
        (number(value("cell"))?, number(value("block"))?, number(value("group"))?);
    let plan = UploadPlan { title, version, column, code, cell_bytes, block_bytes, group_bytes };
    // One spelling per column.
    (to_query(&plan) == query).then_some(plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_and_back() {
        let version: Version = "7-00000003-deadbeef-00000005".parse().unwrap();
        let of = |query: &str| from_query(query, "film".to_owned(), version, 2);
        let query = "code=rs:10+4&cell=65536&block=16384&group=32768";
        let plan = of(query).unwrap();
        assert_eq!(
            (plan.code.as_str(), plan.cell_bytes, plan.block_bytes, plan.group_bytes),
            ("rs:10+4", 65536, 16384, 32768)
        );
        assert_eq!(to_query(&plan), query);
        for wrong in [
            "",
            "code=b-code:4",
            "cell=1&code=b-code:4&block=1&group=1",
            "code=b-code:4&cell=01&block=1&group=1",
            "code=b-code:4&cell=1&block=1&group=1&x=1",
        ] {
            assert!(of(wrong).is_none(), "{wrong}");
        }
    }
}
