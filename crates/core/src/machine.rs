//! What is asked of the processor and of the system's memory in their own words: masks over windows of bytes, places that are
//! fetched ahead, huge pages. SSE2 is part of every x86-64, so nothing is asked for at run time; other processors take the
//! portable branch, which the tests hold against this one.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
use core::arch::x86_64::{
    __m128i, _mm_cmpeq_epi8, _mm_cmpgt_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128,
    _mm_set1_epi8, _mm_sub_epi8,
};

pub const WINDOW: usize = 32;
pub type Window = [u8; WINDOW];

/// The 32 bytes from `at`; None where the buffer ends before.
#[inline(always)]
pub fn window(buf: &[u8], at: usize) -> Option<&Window> {
    buf.get(at..)?.first_chunk()
}

/// Ask the processor to fetch a place of a table that will be read soon.
#[inline(always)]
pub fn prefetch<T>(table: &[T], at: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(place) = table.get(at) {
        // SAFETY: a prefetch reads nothing and cannot fault; the address is that of a live reference.
        unsafe {
            core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(core::ptr::from_ref(place).cast())
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (table, at);
}

/// So many bytes and more are worth huge pages.
const MUCH: usize = 2 << 20;

/// A table of so many equal entries, for what lives long and is looked at here and there: where that is much, the system is asked
/// for huge pages.
pub fn table<T: Clone>(count: usize, entry: T) -> Vec<T> {
    let mut table = Vec::with_capacity(count);
    prefer_huge_pages(&table);
    table.resize(count, entry);
    table
}

/// Take everything out of a list that is filled again and again. Room for twice as many is kept, and no more: a small epoch does
/// not pay for a large one before it.
pub fn empty<T>(list: &mut Vec<T>) {
    let enough = list.len() * 2;
    list.clear();
    list.shrink_to(enough);
}

fn prefer_huge_pages<T>(list: &Vec<T>) {
    let bytes = list.capacity() * size_of::<T>();
    #[cfg(target_os = "linux")]
    if bytes >= MUCH {
        let page = rustix::param::page_size();
        let start = list.as_ptr().map_addr(|at| at / page * page);
        let bytes = (list.as_ptr().addr() + bytes).next_multiple_of(page) - start.addr();
        // SAFETY: this advice changes nothing that can be read; the pages are those of a live allocation.
        let _ = unsafe { rustix::mm::madvise(start.cast_mut().cast(), bytes, rustix::mm::Advice::LinuxHugepage) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = bytes >= MUCH;
}

/// Bit i is set where the windows have the same byte.
#[inline(always)]
pub fn same(a: &Window, b: &Window) -> u32 {
    #[cfg(target_arch = "x86_64")]
    {
        let (a, b) = (load(a), load(b));
        // SAFETY: SSE2 is part of every x86-64; the values are in registers, no memory is touched.
        unsafe { join(_mm_cmpeq_epi8(a[0], b[0]), _mm_cmpeq_epi8(a[1], b[1])) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    portable::same(a, b)
}

/// Bit i is set where a JSON text stops being content: quote, backslash, control byte.
#[inline(always)]
pub fn text_stops(w: &Window) -> u32 {
    #[cfg(target_arch = "x86_64")]
    {
        let v = load(w);
        // SAFETY: SSE2 is part of every x86-64; the values are in registers, no memory is touched.
        let stops = |v| unsafe { _mm_or_si128(quotes(v), _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v)) };
        join(stops(v[0]), stops(v[1]))
    }
    #[cfg(not(target_arch = "x86_64"))]
    portable::text_stops(w)
}

/// As `text_stops`, and every byte over 0x7f: what is before the first bit is ASCII, so valid UTF-8.
#[inline(always)]
pub fn plain_stops(w: &Window) -> u32 {
    #[cfg(target_arch = "x86_64")]
    {
        let v = load(w);
        // SAFETY: as above. As signed numbers, control bytes and bytes over 0x7f are the ones under 0x20.
        let stops = |v| unsafe { _mm_or_si128(quotes(v), _mm_cmpgt_epi8(_mm_set1_epi8(0x20), v)) };
        join(stops(v[0]), stops(v[1]))
    }
    #[cfg(not(target_arch = "x86_64"))]
    portable::plain_stops(w)
}

/// Bit i is set where the byte is no ASCII digit.
#[inline(always)]
pub fn not_digits(w: &Window) -> u32 {
    #[cfg(target_arch = "x86_64")]
    {
        let v = load(w);
        // SAFETY: as above. '0'..='9' are moved to the ten lowest signed bytes, so that one compare finds the others.
        let others = |v| unsafe {
            let moved = _mm_sub_epi8(v, _mm_set1_epi8((b'0' as i8).wrapping_add(-128)));
            _mm_cmpgt_epi8(moved, _mm_set1_epi8(-128 + 9))
        };
        join(others(v[0]), others(v[1]))
    }
    #[cfg(not(target_arch = "x86_64"))]
    portable::not_digits(w)
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn load(w: &Window) -> [__m128i; 2] {
    let p = w.as_ptr();
    // SAFETY: both unaligned loads lie inside the 32 bytes of `w`; SSE2 is part of every x86-64.
    unsafe { [_mm_loadu_si128(p.cast()), _mm_loadu_si128(p.add(16).cast())] }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn join(low: __m128i, high: __m128i) -> u32 {
    // SAFETY: SSE2 is part of every x86-64; the values are in registers, no memory is touched.
    unsafe { _mm_movemask_epi8(low) as u32 | (_mm_movemask_epi8(high) as u32) << 16 }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn quotes(v: __m128i) -> __m128i {
    // SAFETY: SSE2 is part of every x86-64; the values are in registers, no memory is touched.
    unsafe {
        _mm_or_si128(
            _mm_cmpeq_epi8(v, _mm_set1_epi8(b'"' as i8)),
            _mm_cmpeq_epi8(v, _mm_set1_epi8(b'\\' as i8)),
        )
    }
}

#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable {
    use super::Window;

    fn mask(w: &Window, is: impl Fn(u8) -> bool) -> u32 {
        w.iter().rev().fold(0, |bits, &b| bits << 1 | u32::from(is(b)))
    }

    pub fn same(a: &Window, b: &Window) -> u32 {
        a.iter()
            .zip(b)
            .rev()
            .fold(0, |bits, (a, b)| bits << 1 | u32::from(a == b))
    }

    pub fn text_stops(w: &Window) -> u32 {
        mask(w, |b| b == b'"' || b == b'\\' || b < 0x20)
    }

    pub fn plain_stops(w: &Window) -> u32 {
        mask(w, |b| b == b'"' || b == b'\\' || !(0x20..=0x7f).contains(&b))
    }

    pub fn not_digits(w: &Window) -> u32 {
        mask(w, |b| !b.is_ascii_digit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_is_emptied_keeps_room_for_twice_as_many() {
        let mut list = Vec::with_capacity(1000);
        list.extend([1u64, 2, 3]);
        empty(&mut list);
        assert!(
            list.is_empty() && (6..1000).contains(&list.capacity()),
            "{}",
            list.capacity()
        );
    }

    /// Every byte value at every place of a window.
    fn windows() -> impl Iterator<Item = Window> {
        (0..=255u8).flat_map(|b| {
            (0..WINDOW).map(move |at| {
                let mut w = [b'5'; WINDOW];
                w[at] = b;
                w[(at + 7) % WINDOW] = b.wrapping_mul(31);
                w
            })
        })
    }

    #[test]
    fn the_masks_equal_the_portable_ones() {
        for w in windows() {
            assert_eq!(text_stops(&w), portable::text_stops(&w));
            assert_eq!(plain_stops(&w), portable::plain_stops(&w));
            assert_eq!(not_digits(&w), portable::not_digits(&w));
        }
    }

    #[test]
    fn same_equals_the_portable_one() {
        let other = [b'5'; WINDOW];
        for w in windows() {
            assert_eq!(same(&w, &other), portable::same(&w, &other));
        }
    }

    #[test]
    fn a_window_past_the_end_is_none() {
        assert!(window(&[0; 40], 9).is_none());
        assert!(window(&[0; 40], 8).is_some());
    }
}
