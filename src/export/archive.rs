//! The archive: a file for each table, a manifest that says what is in it and what is not and why, and a page for people.

use std::io::{Cursor, Write};

use anyhow::Context;
use chrono::{DateTime, Utc};
use serde::Serialize;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::gather::File;

const README: &str = include_str!("README.txt");
const SEPARATOR: &str = ",\n";
/// More bytes than everything but the rows takes.
const FRAME: usize = 64 * 1024;

/// What the archive holds and leaves out.
#[derive(Serialize)]
struct Manifest {
    format: u32,
    made_at: DateTime<Utc>,
    files: Vec<Listed>,
}

#[derive(Serialize)]
struct Listed {
    path: String,
    rows: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<LeftOut>,
}

#[derive(Serialize)]
struct LeftOut {
    fields: Vec<&'static str>,
    because: &'static str,
}

/// Packs the files. Nothing is compressed but by whoever carries the answer.
pub(super) fn pack(files: Vec<File>, made_at: DateTime<Utc>) -> anyhow::Result<Vec<u8>> {
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    // A buffer that grows is there twice while it does. Rows go as they are packed.
    let rows: usize = files.iter().flat_map(|file| &file.rows).map(|row| row.len() + SEPARATOR.len()).sum();
    let mut archive = ZipWriter::new(Cursor::new(Vec::with_capacity(rows + FRAME)));
    let listed = files.iter().map(|file| Listed {
        path: file.path.clone(),
        rows: file.rows.len(),
        left_out: file
            .table
            .withheld
            .iter()
            .map(|(because, fields)| LeftOut { fields: fields.to_vec(), because })
            .collect(),
    });
    let manifest = Manifest { format: 1, made_at, files: listed.collect() };
    archive.start_file("README.txt", options)?;
    archive.write_all(README.as_bytes())?;
    archive.start_file("manifest.json", options)?;
    serde_json::to_writer_pretty(&mut archive, &manifest).context("the manifest")?;
    for file in files {
        archive.start_file(file.path, options)?;
        let mut before = "[\n";
        for row in file.rows {
            archive.write_all(before.as_bytes())?;
            archive.write_all(row.as_bytes())?;
            before = SEPARATOR;
        }
        archive.write_all(if before == "[\n" { b"[]\n" } else { b"\n]\n" })?;
    }
    Ok(archive.finish()?.into_inner())
}
