//! Arithmetic with bytes: the field of 256 elements over x^8 + x^4 + x^3 + x^2 + 1 (0x11d), in which 2 generates all
//! elements but 0 (Plank, "A tutorial on Reed-Solomon coding", 1997). Adding is XOR.

const POLYNOMIAL: u16 = 0x11d;

/// 2^i for i up to 509, so that two logarithms can be added, and the logarithm of each element but 0.
const POWERS: ([u8; 510], [u8; 256]) = powers();

/// All products: a row is what a factor makes of each byte. 64 KiB; a packet needs one row of 256 bytes.
static PRODUCTS: [[u8; 256]; 256] = products();

const fn powers() -> ([u8; 510], [u8; 256]) {
    let (mut powers, mut logarithms) = ([0; 510], [0; 256]);
    let (mut element, mut exponent) = (1_u16, 0);
    while exponent < 255 {
        powers[exponent] = element as u8;
        powers[exponent + 255] = element as u8;
        logarithms[element as usize] = exponent as u8;
        element <<= 1;
        if element > 0xff {
            element ^= POLYNOMIAL;
        }
        exponent += 1;
    }
    (powers, logarithms)
}

const fn products() -> [[u8; 256]; 256] {
    let (powers, logarithms) = POWERS;
    let mut products = [[0; 256]; 256];
    let mut a = 1;
    while a < 256 {
        let mut b = 1;
        while b < 256 {
            products[a][b] = powers[logarithms[a] as usize + logarithms[b] as usize];
            b += 1;
        }
        a += 1;
    }
    products
}

/// What each byte becomes when multiplied by this.
fn row(factor: u8) -> &'static [u8; 256] {
    // A byte is below 256.
    &PRODUCTS[usize::from(factor)]
}

pub(super) fn multiply(a: u8, b: u8) -> u8 {
    row(a)[usize::from(b)]
}

/// 1 / `element`; 0 for 0, which has no inverse.
pub(super) fn inverse(element: u8) -> u8 {
    let (powers, logarithms) = &POWERS;
    // Logarithms are below 255: the index lies within the 510.
    if element == 0 { 0 } else { powers[255 - usize::from(logarithms[usize::from(element)])] }
}

/// `sum += addend * factor`, as far as the shorter reaches.
pub(super) fn add_scaled(sum: &mut [u8], addend: &[u8], factor: u8) {
    match factor {
        0 => {}
        1 => sum.iter_mut().zip(addend).for_each(|(sum, byte)| *sum ^= byte),
        _ => {
            let row = row(factor);
            sum.iter_mut().zip(addend).for_each(|(sum, byte)| *sum ^= row[usize::from(*byte)]);
        }
    }
}

/// `bytes *= factor`.
pub(super) fn scale(bytes: &mut [u8], factor: u8) {
    let row = row(factor);
    bytes.iter_mut().for_each(|byte| *byte = row[usize::from(*byte)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Multiplication by the definition: of polynomials, one bit at a time.
    fn by_definition(a: u8, b: u8) -> u8 {
        let (mut product, mut shifted) = (0_u16, u16::from(a));
        for bit in 0..8 {
            if b >> bit & 1 == 1 {
                product ^= shifted;
            }
            shifted <<= 1;
            if shifted > 0xff {
                shifted ^= POLYNOMIAL;
            }
        }
        product as u8
    }

    #[test]
    fn all_products_are_those_of_the_definition() {
        for a in 0..=255 {
            for b in 0..=255 {
                assert_eq!(multiply(a, b), by_definition(a, b), "{a} * {b}");
            }
        }
    }

    #[test]
    fn every_element_but_0_has_an_inverse() {
        assert!((1..=255).all(|element| multiply(element, inverse(element)) == 1));
        assert_eq!(inverse(0), 0);
    }

    #[test]
    fn scaled_sums_reach_as_far_as_the_shorter() {
        let mut sum = [1, 2, 3];
        add_scaled(&mut sum, &[5, 6], 7);
        assert_eq!(sum, [1 ^ multiply(5, 7), 2 ^ multiply(6, 7), 3]);
        scale(&mut sum, 0);
        assert_eq!(sum, [0; 3]);
    }
}
