// Package webrtc is the gateway to browsers in real time: WHIP (RFC 9725) takes
// publishers in, WHEP (draft-ietf-wish-whep) sends viewers out, both over one UDP
// port and the TCP port of the same number.
//
// What belongs here: session descriptions, ICE, DTLS, SRTP, RTCP and the pacing
// of packets. What does not: payload formats (format/rtp), who may publish or play
// (control/session), conversion of codecs (the hub's Supplier), routing of URLs
// and TLS (server).
package webrtc
