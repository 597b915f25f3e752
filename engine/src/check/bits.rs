//! A set per row, over the few nodes that anything asks about.

/// Rows of bits of one width.
#[derive(Debug)]
pub(crate) struct Bits {
    width: usize,
    words: Vec<u64>,
}

impl Bits {
    pub(crate) fn new(rows: usize, columns: usize) -> Self {
        let width = columns.div_ceil(64);
        Self { width, words: vec![0; rows * width] }
    }

    pub(crate) fn row(&self, row: usize) -> &[u64] {
        &self.words[row * self.width..(row + 1) * self.width]
    }

    pub(crate) fn row_mut(&mut self, row: usize) -> &mut [u64] {
        &mut self.words[row * self.width..(row + 1) * self.width]
    }

    pub(crate) fn has(&self, row: usize, column: usize) -> bool {
        self.row(row)[column / 64] & (1 << (column % 64)) != 0
    }

    /// Adds another row's bits to a row. Both are the same: nothing happens.
    pub(crate) fn unite(&mut self, row: usize, with: usize) {
        let (row, with) = (row * self.width, with * self.width);
        for word in 0..self.width {
            self.words[row + word] |= self.words[with + word];
        }
    }
}

/// Adds a bit.
pub(crate) fn set(row: &mut [u64], column: usize) {
    row[column / 64] |= 1 << (column % 64);
}

/// Whether a bit is there.
pub(crate) fn has(row: &[u64], column: usize) -> bool {
    row[column / 64] & (1 << (column % 64)) != 0
}

/// Adds another row's bits.
pub(crate) fn unite(row: &mut [u64], with: &[u64]) {
    for (word, other) in row.iter_mut().zip(with) {
        *word |= other;
    }
}

/// Keeps what both have.
pub(crate) fn meet(row: &mut [u64], with: &[u64]) {
    for (word, other) in row.iter_mut().zip(with) {
        *word &= other;
    }
}

/// The columns of a [`Bits`]: which nodes have one.
#[derive(Debug)]
pub(crate) struct Columns {
    of: Vec<u32>,
    count: usize,
}

const NONE: u32 = u32::MAX;

impl Columns {
    /// A column for each of these nodes, out of so many.
    pub(crate) fn new(nodes: usize, wanted: impl IntoIterator<Item = u32>) -> Self {
        let mut columns = Self { of: vec![NONE; nodes], count: 0 };
        for node in wanted {
            columns.add(node);
        }
        columns
    }

    /// A column for this node too.
    pub(crate) fn add(&mut self, node: u32) {
        let column = &mut self.of[node as usize];
        if *column == NONE {
            *column = u32::try_from(self.count).unwrap_or(NONE);
            self.count += 1;
        }
    }

    /// The column of a node, if it has one.
    pub(crate) fn get(&self, node: u32) -> Option<usize> {
        let column = self.of[node as usize];
        (column != NONE).then_some(column as usize)
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }
}
