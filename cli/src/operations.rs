//! What a verb can ask for: the gateway's protocol, wherever it is answered.

pub(crate) use aob_gateway::operation::{
    Asked, BacklogRow, Choice, Done, EventPage, GraphAt, Head, Kept, Kind, LimitsRow, LogPage,
    Mode, Most, NamedSet, Needs, Operations, Page, PatchAnswer, Published, Request, RunRow,
    Standing, Started, TENANT, TicketRow, TypeRow, Verified, Waits, WorkflowRow,
};
