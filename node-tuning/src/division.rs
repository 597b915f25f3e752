//! Who gets which processors: whole cores, one NUMA node for each plane where it fits, one core left to the system.

use serde::Serialize;

use crate::machine::{Core, Machine};
use crate::profile::{Home, Plane, Profiles};
use crate::ranges::Ranges;

/// Cores of a machine for each core that the system keeps; it keeps at least one.
const FOR_EACH_OF_THE_SYSTEM: usize = 32;

/// How a machine is divided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Division {
    /// Every part has processors of its own.
    Own {
        /// What is left to the system.
        system: Part,
        /// A part for each plane, in the order of the profiles.
        planes: Vec<Part>,
    },
    /// All share all processors, by weight.
    Shared {
        /// Why.
        why: String,
    },
}

/// Processors of a plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Whose.
    pub name: String,
    /// Never empty; no other part has one of them, and a core's threads are together.
    pub cpus: Ranges,
    /// NUMA nodes with memory that they lie on; empty on a machine with one such node.
    pub memory: Ranges,
}

impl Serialize for Part {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut fields = out.serialize_struct("Part", 3)?;
        fields.serialize_field("name", &self.name)?;
        fields.serialize_field("cpus", &self.cpus.to_string())?;
        fields.serialize_field("memoryNodes", &self.memory.to_string())?;
        fields.end()
    }
}

/// Divides a machine among planes.
pub fn divide(machine: &Machine, profiles: &Profiles) -> Division {
    let planes = &profiles.planes;
    let cores = machine.cores.len();
    if cores < planes.len() + 1 {
        let why =
            format!("{cores} core(s) are too few for {} plane(s) and the system", planes.len());
        return Division::Shared { why };
    }
    let reserved = (cores / FOR_EACH_OF_THE_SYSTEM).max(1);
    let quotas = quotas(planes, cores, reserved);
    let mut free = Free(machine.cores.clone());
    let system = free.take(reserved, Home::First);
    let mut parts: Vec<Vec<Core>> = vec![Vec::new(); planes.len()];
    // Who begins at the far end goes before those that might spill over to it, on more than one node only: with one
    // node the numbers follow the order of the planes.
    let mut turns: Vec<usize> = (0..planes.len()).collect();
    if free.nodes() > 1 {
        turns
            .sort_by_key(|turn| planes.get(*turn).map(|plane| plane.cpus.home) != Some(Home::Last));
    }
    for turn in turns {
        if let (Some(plane), Some(quota), Some(part)) =
            (planes.get(turn), quotas.get(turn), parts.get_mut(turn))
        {
            *part = free.take(*quota, plane.cpus.home);
        }
    }
    free.rest(planes, &quotas, &mut parts);
    if parts.iter().any(Vec::is_empty) {
        let why = "the nodes cannot be divided without an empty part".to_owned();
        return Division::Shared { why };
    }
    let part = |name: &str, cores: &[Core]| {
        let nodes: Ranges = cores.iter().map(|core| core.node).collect();
        let cpus = cores.iter().flat_map(|core| core.cpus.iter()).collect();
        let memory =
            if machine.memory.len() > 1 { nodes.both(&machine.memory) } else { Ranges::default() };
        Part { name: name.to_owned(), cpus, memory }
    };
    Division::Own {
        system: part("system", &system),
        planes: planes.iter().zip(&parts).map(|(plane, cores)| part(&plane.name, cores)).collect(),
    }
}

/// Cores for each plane by its share of all, at least one each; the system's come out of the first part that has
/// enough.
fn quotas(planes: &[Plane], cores: usize, reserved: usize) -> Vec<usize> {
    let sum: usize = planes.iter().map(|plane| usize::from(plane.cpus.share)).sum();
    let share = |plane: &Plane| usize::from(plane.cpus.share) * cores;
    let mut quotas: Vec<usize> = planes.iter().map(|plane| share(plane) / sum.max(1)).collect();
    // The largest remainders get what rounding left over; of equal ones the first.
    let mut order: Vec<usize> = (0..planes.len()).collect();
    order.sort_by_key(|turn| {
        planes.get(*turn).map(|plane| std::cmp::Reverse(share(plane) % sum.max(1)))
    });
    let left = cores - quotas.iter().sum::<usize>();
    for turn in order.into_iter().cycle().take(left) {
        if let Some(quota) = quotas.get_mut(turn) {
            *quota += 1;
        }
    }
    for quota in &mut quotas {
        *quota = (*quota).max(1);
    }
    let over = |quotas: &[usize]| (quotas.iter().sum::<usize>() + reserved).saturating_sub(cores);
    // First whole from one, then one by one from the largest.
    let surplus = over(&quotas);
    if let Some(quota) = quotas.iter_mut().find(|quota| **quota > surplus) {
        *quota -= surplus;
    }
    while over(&quotas) > 0 {
        let Some(largest) =
            quotas.iter_mut().max_by_key(|quota| **quota).filter(|quota| **quota > 1)
        else {
            break;
        };
        *largest -= 1;
    }
    quotas
}

/// Cores that nobody has yet.
struct Free(Vec<Core>);

impl Free {
    fn nodes(&self) -> usize {
        self.0.iter().map(|core| core.node).collect::<Ranges>().len()
    }

    /// Takes so many, or down to half of it where that keeps a plane on one node.
    fn take(&mut self, quota: usize, home: Home) -> Vec<Core> {
        let mut taken: Vec<Core> = Vec::new();
        while taken.len() < quota && !self.0.is_empty() {
            let missing = quota - taken.len();
            let mut nodes: Vec<(u32, usize)> = Vec::new();
            for core in &self.0 {
                match nodes.iter_mut().find(|(node, _)| *node == core.node) {
                    Some((_, count)) => *count += 1,
                    None => nodes.push((core.node, 1)),
                }
            }
            nodes.sort_unstable();
            if home == Home::Last && nodes.len() > 1 {
                nodes.reverse();
            }
            let fitting = nodes.iter().find(|(_, count)| *count >= missing);
            // `max_by_key` gives the last of equal ones: the nearest home is wanted.
            let largest = nodes.iter().rev().max_by_key(|(_, count)| *count);
            let near = nodes.iter().find(|(_, count)| *count * 2 >= missing);
            let Some((node, _)) = fitting.or(near).or(largest).copied() else { break };
            let before = taken.len();
            let mut kept = Vec::with_capacity(self.0.len());
            for core in self.0.drain(..) {
                if core.node == node && taken.len() < quota {
                    taken.push(core);
                } else {
                    kept.push(core);
                }
            }
            self.0 = kept;
            // Half of what is wanted on one node is worth more than all of it on two.
            if before == 0 && taken.len() * 2 >= quota {
                break;
            }
        }
        taken
    }

    /// Gives the rest away, node by node: to the plane that begins at the far end if it lives there, else to who lives
    /// there, else to whom most is missing.
    fn rest(&mut self, planes: &[Plane], quotas: &[usize], parts: &mut [Vec<Core>]) {
        let far = planes.iter().position(|plane| plane.cpus.home == Home::Last);
        while let Some(node) = self.0.first().map(|core| core.node) {
            let (there, elsewhere) = self.0.drain(..).partition(|core| core.node == node);
            self.0 = elsewhere;
            let lives = |turn: &usize| {
                parts.get(*turn).is_some_and(|part| part.iter().any(|core| core.node == node))
            };
            let missing = |turn: &usize| {
                let has = parts.get(*turn).map_or(0, Vec::len);
                quotas.get(*turn).map_or(0, |quota| quota.saturating_sub(has))
            };
            let taker = far
                .filter(lives)
                .or_else(|| (0..parts.len()).find(lives))
                .or_else(|| (0..parts.len()).max_by_key(missing));
            if let Some(part) = taker.and_then(|taker| parts.get_mut(taker)) {
                part.extend::<Vec<Core>>(there);
            }
        }
    }
}
