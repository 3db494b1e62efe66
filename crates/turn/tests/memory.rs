//! What a stranger sends leaves nothing behind: memory is the same after a million forged requests.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicIsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use conclave_turn::Client;
use conclave_turn::stun::{Class, Method, TransactionId, Writer, attributes};
use support::{UDP, World};

/// Counts bytes in use.
struct Counting;

static IN_USE: AtomicIsize = AtomicIsize::new(0);

#[expect(unsafe_code, reason = "an allocator cannot be written without")]
// SAFETY: everything is the system allocator's, only counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What one test measures, another must not disturb.
static MEASURING: Mutex<()> = Mutex::new(());

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_flood_of_forged_requests_leaves_memory_as_it_was() {
    let _alone = MEASURING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut world = World::new();
    let flood = |world: &mut World, from: u32, count: u32| {
        for index in from..from + count {
            // Each from a network of its own.
            let ip = IpAddr::V4(Ipv4Addr::from_bits(index.wrapping_mul(2_654_435_761)));
            let client = Client::Udp { remote: SocketAddr::new(ip, 1_000), local: None };
            let mut writer = Writer::new(Class::Request, Method::Allocate, TransactionId([9; 12]), 28);
            writer.attribute(attributes::REQUESTED_TRANSPORT, &UDP);
            world.server.handle_packet(world.now, client, &writer.finish());
            while world.server.poll_output().is_some() {}
            if index % 100 == 0 {
                world.now += Duration::from_millis(1);
            }
        }
    };
    flood(&mut world, 0, 10_000);
    let before = IN_USE.load(Ordering::Relaxed);
    flood(&mut world, 10_000, 1_000_000);
    let after = IN_USE.load(Ordering::Relaxed);
    assert!(world.server.stats().refused_unauthorized > 100_000);
    // The test's harness has its own comings and goings.
    assert!((after - before).abs() < 4_096, "{before} bytes became {after}");
}

#[test]
fn an_idle_allocation_takes_less_than_a_kibibyte() {
    let _alone = MEASURING.lock().unwrap_or_else(PoisonError::into_inner);
    const COUNT: u64 = 2_000;
    let mut world = World::new();
    let mut raw = support::Raw::new(&mut world, "warm", support::udp("203.0.113.1:1"));
    assert_eq!(raw.allocate(&mut world), 0);
    let before = IN_USE.load(Ordering::Relaxed);
    for index in 0..COUNT {
        let client = support::udp(&format!("203.0.113.2:{}", 1_000 + index));
        let mut raw = support::Raw::new(&mut world, &format!("{index:032x}"), client);
        assert_eq!(raw.allocate(&mut world), 0);
        if index % 50 == 0 {
            world.now += Duration::from_secs(1);
        }
    }
    let each = (IN_USE.load(Ordering::Relaxed) - before) / COUNT as isize;
    println!("{each} bytes for an allocation");
    assert!(each < 1_024, "{each} bytes");
}
