//! Sets of small numbers written as ranges: processors, NUMA nodes, ports (`0-3,8`).

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// The largest number in a set: ports end there, and no kernel knows as many processors.
const LARGEST: u32 = 65_535;

/// A set of numbers; shown and read in the kernel's list format.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ranges(BTreeSet<u32>);

impl Ranges {
    /// The numbers, from the smallest.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().copied()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The smallest.
    pub fn first(&self) -> Option<u32> {
        self.0.first().copied()
    }

    /// Whether it is one of them.
    pub fn contains(&self, number: u32) -> bool {
        self.0.contains(&number)
    }

    /// Whether all of the other's are in this one.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.is_subset(&self.0)
    }

    /// Whether the two have a number in common.
    pub fn meets(&self, other: &Self) -> bool {
        !self.0.is_disjoint(&other.0)
    }

    /// Adds the other's.
    pub fn add(&mut self, other: &Self) {
        self.0.extend(&other.0);
    }

    /// Those of both.
    pub fn both(&self, other: &Self) -> Self {
        self.0.intersection(&other.0).copied().collect()
    }

    /// Without the other's.
    pub fn without(&self, other: &Self) -> Self {
        self.0.difference(&other.0).copied().collect()
    }
}

impl FromIterator<u32> for Ranges {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        Self(numbers.into_iter().collect())
    }
}

impl fmt::Display for Ranges {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut numbers = self.0.iter().copied().peekable();
        let mut comma = "";
        while let Some(first) = numbers.next() {
            let mut last = first;
            while let Some(next) = numbers.next_if(|next| *next == last + 1) {
                last = next;
            }
            match last - first {
                0 => write!(out, "{comma}{first}")?,
                _ => write!(out, "{comma}{first}-{last}")?,
            }
            comma = ",";
        }
        Ok(())
    }
}

impl FromStr for Ranges {
    type Err = String;

    /// An empty text is the empty set. Strides (`0-8:2/4`) are nothing the kernel shows here.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut numbers = BTreeSet::new();
        for part in text.trim().split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let number = |text: &str| {
                let number = text.trim().parse::<u32>().ok().filter(|number| *number <= LARGEST);
                number.ok_or_else(|| format!("`{text}` is no number from 0 to {LARGEST}"))
            };
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return Err(format!("`{part}` runs backwards"));
            }
            numbers.extend(first..=last);
        }
        Ok(Self(numbers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_reads_back() {
        for text in ["", "0", "0-3", "0-3,8", "0,2,4-5", "30000-32767"] {
            assert_eq!(text.parse::<Ranges>().unwrap().to_string(), text);
        }
        assert_eq!(" 3, 1-2\n".parse::<Ranges>().unwrap().to_string(), "1-3");
        for text in ["x", "3-1", "0-70000", "-1", "1-", "1--2"] {
            assert!(text.parse::<Ranges>().is_err(), "{text}");
        }
    }
}
