//! A name server, for seeing that a static program asks one.
//!
//! ```text
//! name-server ADDRESS
//! ```
//!
//! It knows that `known.example.com` and the like are 127.0.0.1, and that nothing else is there
//! (RFC 1035). It goes on until its standard input ends.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a tool of the tests, which fails by panicking"
)]

use std::io::Read;
use std::net::{IpAddr, UdpSocket};
use std::process::exit;
use std::thread;

fn main() {
    let address: IpAddr = std::env::args().nth(1).unwrap().parse().unwrap();
    thread::spawn(|| {
        drop(std::io::stdin().read_to_end(&mut Vec::new()));
        exit(0);
    });
    let socket = UdpSocket::bind((address, 53)).unwrap();
    let mut question = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut question) {
        socket.send_to(&answer(&question[..length]), from).unwrap();
    }
}

fn answer(question: &[u8]) -> Vec<u8> {
    let name_end = 12 + question[12..].iter().position(|byte| *byte == 0).unwrap() + 1;
    let asked = &question[12..name_end + 4];
    let known = asked.starts_with(b"\x05known");
    let is_address = asked[asked.len() - 4..] == [0, 1, 0, 1];
    let answers = u8::from(known && is_address);
    let mut answer = question[..2].to_vec();
    // An answer, recursion available, and whether the name exists at all.
    answer.extend([0x81, if known { 0x80 } else { 0x83 }]);
    answer.extend([0, 1, 0, answers, 0, 0, 0, 0]);
    answer.extend(asked);
    if answers == 1 {
        // The name asked for, an address of the Internet, for a minute, of four bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
    }
    answer
}
