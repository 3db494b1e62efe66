//! A network in virtual time, for measuring quality of service: flows, bottlenecks, and what is to be seen on them.
