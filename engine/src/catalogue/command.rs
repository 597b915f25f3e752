//! 50xx the command line.

use super::entries;

entries! {
}
