//! RTP, RTCP and SRTP without I/O: the formats, and the receiving and the sending half of a leg.
