//! Columns.

use unicode_width::UnicodeWidthStr as _;

use super::plain;

/// Rows under a header, each column as wide as its widest cell; the last one is as long as it is.
/// Cells are text from outside. Ends with a line break.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let head = header.iter().map(|&name| name.to_owned()).collect();
    let all: Vec<Vec<String>> = std::iter::once(&head)
        .chain(rows)
        .map(|row: &Vec<String>| row.iter().map(|cell| plain(cell)).collect())
        .collect();
    let mut widths = vec![0; header.len()];
    for row in &all {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let mut out = String::new();
    for row in &all {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - cell.width() + 2));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_are_aligned_by_what_is_seen() {
        let rows =
            [vec!["漢".to_owned(), "1".to_owned()], vec!["abc".to_owned(), "x\u{1b}".to_owned()]];
        assert_eq!(super::table(&["A", "B"], &rows), "A    B\n漢   1\nabc  x\\u{1b}\n");
    }
}
