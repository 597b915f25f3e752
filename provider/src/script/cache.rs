//! Tokens that a provider's cache would hold.

use std::collections::{BTreeMap, VecDeque};

use sha2::{Digest as _, Sha256};

use super::Prompt;
use crate::price::likely;

/// Prompts that are remembered of one model, and prefixes that are.
const MOST: usize = 256;
/// Tokens by which a prefix without marks grows.
const STEP: u64 = 128;

/// What the tokens of a prompt are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Input {
    pub(super) all: u64,
    pub(super) cached: u64,
    pub(super) written: u64,
}

/// What was asked before, by model.
#[derive(Debug, Default)]
pub(super) struct Cache {
    models: BTreeMap<String, Known>,
}

#[derive(Debug, Default)]
struct Known {
    texts: VecDeque<Vec<u8>>,
    prefixes: VecDeque<[u8; 32]>,
}

impl Cache {
    /// Counts a prompt, and remembers it.
    pub(super) fn count(&mut self, prompt: &Prompt, shortest: u64) -> Input {
        if self.models.len() >= MOST && !self.models.contains_key(&prompt.model) {
            self.models.clear();
        }
        let known = self.models.entry(prompt.model.clone()).or_default();
        if prompt.is_marked {
            known.by_marks(prompt, shortest)
        } else {
            known.by_text(prompt, shortest)
        }
    }
}

impl Known {
    /// The longest beginning that any earlier prompt had too.
    fn by_text(&mut self, prompt: &Prompt, shortest: u64) -> Input {
        let mut text = Vec::new();
        for (block, _) in &prompt.blocks {
            text.extend_from_slice(block.as_bytes());
            text.push(0);
        }
        let same = |other: &Vec<u8>| text.iter().zip(other).take_while(|(a, b)| a == b).count();
        let longest = likely(self.texts.iter().map(same).max().unwrap_or(0)) / STEP * STEP;
        let all = likely(text.len());
        let cached = if longest < shortest { 0 } else { longest.min(all) };
        remember(&mut self.texts, text);
        Input { all, cached, written: 0 }
    }

    /// The longest beginning that an earlier prompt marked, and what this one marks beyond it.
    fn by_marks(&mut self, prompt: &Prompt, shortest: u64) -> Input {
        let mut hash = Sha256::new();
        let (mut bytes, mut cached, mut written) = (0, 0, 0);
        let mut marked = Vec::new();
        for (block, is_mark) in &prompt.blocks {
            hash.update((block.len() as u64).to_be_bytes());
            hash.update(block);
            bytes += block.len();
            if !is_mark || likely(bytes) < shortest {
                continue;
            }
            let prefix: [u8; 32] = hash.clone().finalize().into();
            if self.prefixes.contains(&prefix) {
                cached = likely(bytes);
            } else {
                written = likely(bytes);
                marked.push(prefix);
            }
        }
        for prefix in marked {
            remember(&mut self.prefixes, prefix);
        }
        Input { all: likely(bytes), cached, written: written.saturating_sub(cached) }
    }
}

fn remember<T>(all: &mut VecDeque<T>, one: T) {
    if all.len() >= MOST {
        all.pop_front();
    }
    all.push_back(one);
}
