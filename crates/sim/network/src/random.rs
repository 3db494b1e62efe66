//! Numbers that look random and are the same in every run, on every machine.

/// SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

/// A truncated Gaussian is drawn this often at most, then cut off: at 3 sigma one draw in 370 is drawn again.
const DRAWS: u32 = 16;

impl Random {
    /// The same seed gives the same numbers. Streams of different purposes get seeds of their own by `fork`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Numbers for something else that do not depend on how many were drawn here afterwards.
    pub fn fork(&mut self) -> Self {
        Self(self.bits())
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// 0 to `below`, without it; 0 if `below` is 0.
    pub fn below(&mut self, below: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(below)) >> 64) as u64
    }

    /// 0 to 1, without 0: its logarithm is finite.
    pub fn unit(&mut self) -> f64 {
        ((self.bits() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something happens that happens in this share of all cases, 0 to 1.
    pub fn happens(&mut self, share: f64) -> bool {
        self.unit() <= share
    }

    /// Exponentially distributed with this mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * libm::log(self.unit())
    }

    /// Laplace distributed around 0; the scale is its mean distance from there.
    pub fn laplace(&mut self, scale: f64) -> f64 {
        self.exponential(scale) - self.exponential(scale)
    }

    /// Normally distributed: mean 0, standard deviation 1 (Box and Muller, 1958).
    pub fn gaussian(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(self.unit())).sqrt();
        radius * libm::cos(core::f64::consts::TAU * self.unit())
    }

    /// The same, drawn again where it lies further than `limit` from 0.
    pub fn truncated_gaussian(&mut self, limit: f64) -> f64 {
        for _ in 0..DRAWS {
            let drawn = self.gaussian();
            if drawn.abs() <= limit {
                return drawn;
            }
        }
        limit
    }
}
