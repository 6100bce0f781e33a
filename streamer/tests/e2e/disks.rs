//! Disks that are full, and folders and files that somebody takes away while a node runs.

use crate::harness::{
    Cluster, Mount, PATIENCE, assert_same, delete, get, names_in, put, rain, random_bytes, run, wait_until,
};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

/// A deleted version is there for its readers for a minute, and then for the next look at what may go.
const REMOVED: Duration = Duration::from_secs(100);

/// Fills a file system to its last byte.
fn fill(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("of-somebody-else");
    let mut file = File::create(&path).expect("a file");
    for bytes in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![1; bytes]).is_ok() {}
    }
    path
}

fn disk_of(cluster: &Cluster, node: usize) -> serde_json::Value {
    get("/api/v1/cluster").to(cluster.port(node)).expect(200).json()["disk"].clone()
}

#[test]
fn what_frees_a_full_disk_is_taken_though_nothing_fits_on_it() {
    let mut cluster = Cluster::lay_out("b-code:4", 4);
    let mounts: Option<Vec<_>> = (0..4).map(|node| Mount::memory(&cluster.data(node), "size=24m")).collect();
    let Some(_mounts) = mounts else { return };
    cluster.start_all();
    let content = random_bytes(8 << 20, 1);
    let mut stored = Vec::new();
    loop {
        let title = format!("film-{}", stored.len());
        let answer = put(format!("/v/{title}"), content.clone()).to(cluster.port(0));
        if answer.status != 201 {
            answer.expect_error(507, "no-space");
            break;
        }
        stored.push(title);
    }
    assert!((3..=6).contains(&stored.len()), "{stored:?}");
    // Columns leave something for what is promised; somebody else does not.
    let fillers: Vec<_> = (0..4).map(|node| fill(&cluster.data(node))).collect();
    for node in 0..4 {
        let disk = disk_of(&cluster, node);
        assert_eq!((&disk["free_bytes"], &disk["is_full"]), (&0.into(), &true.into()), "{disk}");
        assert_eq!(disk["kept_bytes"], 24 << 16, "a sixteenth of 24 MiB");
        let metrics = String::from_utf8(get("/metrics").to(cluster.port(node)).expect(200).body).expect("text");
        assert!(metrics.contains("\nrain_disk_full 1\n"), "{metrics}");
    }
    let status = run(rain().args(["status", "--server", &cluster.url(1)])).succeeded().text();
    assert!(status.contains("the disk of B is full: 0 bytes are free"), "{status}");
    put("/v/another", *b"small").to(cluster.port(1)).expect_error(507, "no-space");
    for node in 0..4 {
        cluster.kill(node);
        cluster.restart(node);
    }
    assert_same(&get("/v/film-0").to(cluster.port(2)).expect(200).body, &content, "a title");
    for (number, title) in stored.iter().enumerate() {
        delete(format!("/v/{title}")).to(cluster.port(number % 4)).expect(204);
        get(format!("/v/{title}")).to(cluster.port(3)).expect_error(404, "no-such-title");
    }
    cluster.kill(2);
    cluster.restart(2);
    get("/v/film-0").to(cluster.port(2)).expect_error(404, "no-such-title");
    wait_until("the columns of deleted titles to go", REMOVED, || {
        stored.iter().all(|title| cluster.all_files_of(title).is_empty())
    });
    for filler in fillers {
        fs::remove_file(filler).expect("the file of somebody else");
    }
    wait_until("room again", PATIENCE, || (0..4).all(|node| disk_of(&cluster, node)["is_full"] == false));
    put("/v/another", content.clone()).to(cluster.port(1)).expect(201);
    assert_same(&get("/v/another").to(cluster.port(3)).expect(200).body, &content, "another");
}

/// Waits until every column of a title is sound, each read to its end.
fn wait_until_whole(cluster: &Cluster, title: &str) {
    let path = format!("/api/v1/titles/{title}?verify=1");
    wait_until("every column to be sound again", PATIENCE, || {
        let answer = get(path.clone()).to(cluster.port(0));
        let is_sound = |column: &serde_json::Value| column["state"] == "ok";
        answer.status == 200 && answer.json()["columns"].as_array().is_some_and(|columns| columns.iter().all(is_sound))
    });
}

#[test]
fn a_folder_of_columns_that_is_taken_away_is_filled_again() {
    let cluster = Cluster::of_four();
    let content = random_bytes(3 << 20, 1);
    put("/v/film", content.clone()).to(cluster.port(0)).expect(201);
    put("/v/small", *b"small").to(cluster.port(0)).expect(201);
    let folder = cluster.data(1).join("titles");
    fs::remove_dir_all(&folder).expect("the folder of columns");
    assert_same(&get("/v/film").to(cluster.port(1)).expect(200).body, &content, "film");
    wait_until("the columns to be back", PATIENCE, || {
        ["film", "small"].iter().all(|title| cluster.holds_column(1, title))
    });
    for title in ["film", "small"] {
        wait_until_whole(&cluster, title);
    }
    put("/v/next", content.clone()).to(cluster.port(1)).expect(201);
    assert!(cluster.holds_column(1, "next"));
    let left: Vec<_> = names_in(&folder).into_iter().filter(|name| name.contains(".tmp")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_column_that_cannot_be_opened_is_damaged_and_rebuilt() {
    let cluster = Cluster::of_four();
    let content = random_bytes(3 << 20, 1);
    put("/v/film", content.clone()).to(cluster.port(0)).expect(201);
    let column = cluster.column_file(1, "film");
    fs::remove_file(&column).expect("the column");
    // It leads to itself.
    symlink(&column, &column).expect("a link");
    assert_same(&get("/v/film").to(cluster.port(1)).expect(200).body, &content, "film");
    wait_until_whole(&cluster, "film");
    assert!(fs::symlink_metadata(&column).expect("the column").is_file());
}
