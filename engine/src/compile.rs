//! Workflow to IR.
