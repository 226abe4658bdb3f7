//! Tables for spreadsheets (CSV, RFC 4180). A cell that a spreadsheet would take for a formula is marked as text. What stands
//! in them is the slices' business.

use std::borrow::Cow;

/// A table in the making.
pub struct Sheet(csv::Writer<Vec<u8>>);

impl Sheet {
    /// A table with its first line.
    pub fn begin<'a>(columns: impl IntoIterator<Item = &'a str>) -> anyhow::Result<Self> {
        let mut sheet = Self(csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new()));
        sheet.line(columns)?;
        Ok(sheet)
    }

    /// One line more.
    pub fn line<'a>(&mut self, cells: impl IntoIterator<Item = &'a str>) -> anyhow::Result<()> {
        for cell in cells {
            self.0.write_field(harmless(cell).as_bytes())?;
        }
        self.0.write_record(None::<&[u8]>)?;
        Ok(())
    }

    /// The whole table.
    pub fn end(self) -> anyhow::Result<Vec<u8>> {
        Ok(self.0.into_inner()?)
    }
}

/// What a spreadsheet would run when it opens the file begins with a quotation mark instead.
fn harmless(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{text}").into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_cell_is_a_formula_and_every_cell_is_read_back(cells in prop::collection::vec("[-=+@\t\r\n,\"a-z ;|]{0,12}", 1..4)) {
            let mut sheet = Sheet::begin(cells.iter().map(|_| "column")).unwrap();
            sheet.line(cells.iter().map(String::as_str)).unwrap();
            let table = sheet.end().unwrap();
            let mut reader = csv::ReaderBuilder::new().has_headers(true).from_reader(table.as_slice());
            // A line of one empty cell is none to whoever reads it.
            if cells != [""] {
                let read = reader.records().next().unwrap().unwrap();
                prop_assert_eq!(read.len(), cells.len());
                for (read, cell) in read.iter().zip(&cells) {
                    prop_assert!(!read.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']));
                    prop_assert_eq!(read.strip_prefix('\'').unwrap_or(read), cell);
                }
            }
        }
    }
}
