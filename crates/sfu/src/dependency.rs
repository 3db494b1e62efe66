//! The dependency descriptor (AV1 RTP specification 1.0, appendix A): which frames a frame needs, and
//! for which decode targets it is needed.
//!
//! Of the decode targets three are kept, one for each level: the one of the level's spatial layer with
//! all temporal layers. What a frame is to the others nobody here asks for.

use crate::bits::{Bits, put};
use crate::frame::{Frame, Levels, References, Role};
use crate::patch::Descriptor;
use crate::rtp::{LayerIndex, Resolution};

const MAX_TEMPLATES: usize = 64;
const MAX_TARGETS: usize = 32;
/// Spatial layers that AV1 has (AV1 specification, section 6.4.1: `operating_point_idc` has 4 bits for them).
const MAX_SPATIAL: u8 = 4;
/// References of one frame: AV1 has 7 (section 3, `REFS_PER_FRAME`), and a descriptor names none twice.
const MAX_REFERENCES: usize = 16;

const TEMPLATE_BITS: usize = 6;
const MANDATORY_BITS: usize = 24;
const FLAG_BITS: usize = 5;

/// What a stream said about its templates with its last key frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Structure {
    id_offset: u8,
    targets: u8,
    /// The decode target of each level.
    levels: [u8; LayerIndex::COUNT],
    /// The highest spatial layer.
    top: LayerIndex,
    /// The decode targets up to a level's spatial layer, as bits from the first target's on.
    within: [u32; LayerIndex::COUNT],
    templates: [Template; MAX_TEMPLATES],
    count: u8,
    /// Of each spatial layer.
    sizes: [Option<Resolution>; LayerIndex::COUNT],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Template {
    spatial: u8,
    temporal: u8,
    role: Role,
    references: References,
}

/// A descriptor, read with the structure of its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub frame: Frame,
    /// The structure that it brings.
    pub structure: Option<Box<Structure>>,
    /// The levels that the sender sends now, if it says.
    pub active: Option<Levels>,
    pub place: Place,
}

/// Where in a descriptor the things are that change on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Frame number, as in the descriptor.
    pub number: u16,
    template: u8,
    /// Offset and number of the templates that it brings.
    brings: Option<(u8, u8)>,
    /// Where the mask of active decode targets begins, in bits, and its width.
    active: Option<(u16, u8)>,
    /// See [`Structure::within`].
    within: [u32; LayerIndex::COUNT],
}

impl Dependency {
    /// Reads a descriptor. `None` if it is cut short or contradicts itself. With a template that
    /// nobody has explained (the packet that did is missing) the frame is [`Frame::unknown`].
    pub fn parse(bytes: &[u8], known: Option<&Structure>) -> Option<Self> {
        let mut bits = Bits::new(bytes);
        let (starts, ends) = (bits.flag()?, bits.flag()?);
        let template = bits.take(TEMPLATE_BITS)? as u8;
        let number = bits.take(16)? as u16;
        let mut flags = [false; FLAG_BITS];
        if bytes.len() * 8 > MANDATORY_BITS {
            for flag in &mut flags {
                *flag = bits.flag()?;
            }
        }
        let [brings_structure, tells_active, own_role, own_references, _own_chains] = flags;
        let brought = if brings_structure { Some(Box::new(Structure::parse(&mut bits)?)) } else { None };
        let mut place = Place { number, template, brings: None, active: None, within: [u32::MAX; LayerIndex::COUNT] };
        place.brings = brought.as_ref().map(|structure| (structure.id_offset, structure.count));
        let Some(structure) = brought.as_deref().or(known) else {
            return Some(Self { frame: Frame::unknown(number, starts, ends), structure: None, active: None, place });
        };
        place.within = structure.within;
        let mut active = brought.as_ref().map(|_| Levels::ALL);
        if tells_active {
            let at = u16::try_from(bits.position()).ok()?;
            let mask = bits.take(usize::from(structure.targets))?;
            place.active = Some((at, structure.targets));
            active = Some(structure.active(mask));
        }
        let index = usize::from(template.wrapping_sub(structure.id_offset) % MAX_TEMPLATES as u8);
        let Some(found) = structure.templates[..usize::from(structure.count)].get(index) else {
            // It may be of a structure that was lost.
            let frame = Frame::unknown(number, starts, ends);
            return brought.is_none().then_some(Self { frame, structure: None, active: None, place });
        };
        let role = if own_role { structure.parse_role(&mut bits)? } else { found.role };
        let references = if own_references { parse_references(&mut bits)? } else { found.references };
        // What a frame says of its chains is left: a level that is forwarded whole has its chain whole.
        let layer = layer(found.spatial);
        let frame = Frame { layer, number, starts, ends, role, references, is_known: true };
        Some(Self { frame, structure: brought, active, place })
    }
}

impl Place {
    /// The descriptor as it goes into a slot: with another frame number, its templates at another
    /// place, and without the decode targets above a level. `None` if it is too long to be sent.
    pub fn rewrite(&self, bytes: &[u8], number: u16, template_shift: u8, level: LayerIndex) -> Option<Descriptor> {
        let mut descriptor = Descriptor::new(bytes)?;
        let changed = descriptor.as_bytes_mut();
        put(changed, 2, TEMPLATE_BITS, self.template.wrapping_add(template_shift));
        put(changed, 8, 8, (number >> 8) as u8);
        put(changed, 16, 8, number as u8);
        if let Some((offset, _)) = self.brings {
            put(changed, MANDATORY_BITS + FLAG_BITS, TEMPLATE_BITS, offset.wrapping_add(template_shift));
        }
        if let Some((at, targets)) = self.active {
            // The mask has the first target in its last bit.
            for target in (0..targets).filter(|target| self.within[level.index()] & 1 << target == 0) {
                put(changed, usize::from(at) + usize::from(targets - 1 - target), 1, 0);
            }
        }
        Some(descriptor)
    }

    /// Offset and number of the templates that the descriptor brings.
    pub fn templates(&self) -> Option<(u8, u8)> {
        self.brings
    }
}

impl Structure {
    fn parse(bits: &mut Bits<'_>) -> Option<Self> {
        let id_offset = bits.take(TEMPLATE_BITS)? as u8;
        let targets = bits.take(5)? as u8 + 1;
        let mut templates = [Template::default(); MAX_TEMPLATES];
        let count = parse_layers(bits, &mut templates)?;
        let templates_used = &mut templates[..usize::from(count)];
        let mut indications = [[0u8; MAX_TARGETS]; MAX_TEMPLATES];
        for of_template in &mut indications[..templates_used.len()] {
            for indication in &mut of_template[..usize::from(targets)] {
                *indication = bits.take(2)? as u8;
            }
        }
        let extents = extents(templates_used, &indications, targets);
        let levels = levels(&extents[..usize::from(targets)]);
        for (template, indications) in templates_used.iter_mut().zip(&indications) {
            template.role = role(&levels, |target| Some(indications[usize::from(target)]))?;
        }
        for template in templates_used.iter_mut() {
            for _ in 0..=MAX_REFERENCES {
                if !bits.flag()? {
                    break;
                }
                template.references.add(bits.take(4)? + 1);
            }
        }
        skip_chains(bits, targets, count)?;
        let top = templates_used.last().map_or(0, |template| template.spatial);
        let mut sizes = [None; LayerIndex::COUNT];
        if bits.flag()? {
            for spatial in 0..=top {
                let (width, height) = (bits.take(16)? as u16, bits.take(16)? as u16);
                let size = Resolution { width: width.saturating_add(1), height: height.saturating_add(1) };
                sizes[layer(spatial).index()] = Some(size);
            }
        }
        let within = LayerIndex::ALL.map(|level| {
            let inside = (0..targets).filter(|target| layer(extents[usize::from(*target)].0) <= level);
            inside.fold(0, |mask, target| mask | 1 << target)
        });
        Some(Self { id_offset, targets, levels, top: layer(top), within, templates, count, sizes })
    }

    /// How many levels differ.
    pub fn top(&self) -> LayerIndex {
        self.top
    }

    /// What the picture of a level measures.
    pub fn size(&self, level: LayerIndex) -> Option<Resolution> {
        self.sizes[level.min(self.top).index()]
    }

    /// The levels whose own layer is sent while these decode targets are active.
    fn active(&self, mask: u32) -> Levels {
        let mut below = 0;
        LayerIndex::ALL.into_iter().fold(Levels::NONE, |active, level| {
            let own = self.within[level.index()] & !below;
            below |= self.within[level.index()];
            if mask & own != 0 { active.with(level) } else { active }
        })
    }

    fn parse_role(&self, bits: &mut Bits<'_>) -> Option<Role> {
        let mut indications = [0u8; MAX_TARGETS];
        for indication in &mut indications[..usize::from(self.targets)] {
            *indication = bits.take(2)? as u8;
        }
        role(&self.levels, |target| indications.get(usize::from(target)).copied())
    }
}

fn layer(spatial: u8) -> LayerIndex {
    LayerIndex::new(spatial).unwrap_or(LayerIndex::HIGH)
}

/// `template_layers()`: gives their number, which is at least 1.
fn parse_layers(bits: &mut Bits<'_>, templates: &mut [Template; MAX_TEMPLATES]) -> Option<u8> {
    let (mut spatial, mut temporal) = (0u8, 0u8);
    for (index, template) in templates.iter_mut().enumerate() {
        (template.spatial, template.temporal) = (spatial, temporal);
        match bits.take(2)? {
            0 => {}
            1 => temporal += 1,
            2 => (spatial, temporal) = (spatial + 1, 0),
            _ => return Some(index as u8 + 1),
        }
        if spatial >= MAX_SPATIAL {
            return None;
        }
    }
    None
}

/// The highest spatial layer of each decode target, and the highest temporal one: those of the frames
/// that it needs.
fn extents(templates: &[Template], indications: &[[u8; MAX_TARGETS]], targets: u8) -> [(u8, u8); MAX_TARGETS] {
    let mut extents = [(0, 0); MAX_TARGETS];
    for (template, indications) in templates.iter().zip(indications) {
        let of_template = extents.iter_mut().zip(indications).take(usize::from(targets));
        for (extent, _) in of_template.filter(|(_, indication)| **indication != 0) {
            *extent = (extent.0.max(template.spatial), extent.1.max(template.temporal));
        }
    }
    extents
}

/// The decode target of each level: of those of its spatial layer, or else of the next lower that there
/// is, the one with the most temporal layers.
fn levels(extents: &[(u8, u8)]) -> [u8; LayerIndex::COUNT] {
    LayerIndex::ALL.map(|level| {
        let within = extents.iter().enumerate().filter(|(_, (spatial, _))| layer(*spatial) <= level);
        // A structure without a target of the first layer begins with its lowest.
        let lowest =
            || extents.iter().enumerate().min_by_key(|(_, (spatial, temporal))| (*spatial, u8::MAX - temporal));
        let best = within.max_by_key(|(_, extent)| **extent).or_else(lowest);
        best.map_or(0, |(target, _)| target as u8)
    })
}

fn role(levels: &[u8; LayerIndex::COUNT], indication: impl Fn(u8) -> Option<u8>) -> Option<Role> {
    let mut role = Role::default();
    for (level, target) in LayerIndex::ALL.into_iter().zip(levels) {
        // 0: not present, 1: discardable, 2: switch, 3: required.
        let indication = indication(*target)?;
        if indication != 0 {
            role.needed = role.needed.with(level);
        }
        match indication {
            1 => role.discardable = role.discardable.with(level),
            2 => role.switches = role.switches.with(level),
            _ => {}
        }
    }
    Some(role)
}

/// `frame_fdiffs()`.
fn parse_references(bits: &mut Bits<'_>) -> Option<References> {
    let mut references = References::default();
    for _ in 0..=MAX_REFERENCES {
        match bits.take(2)? as usize {
            0 => return Some(references),
            size => references.add(bits.take(4 * size)? + 1),
        }
    }
    None
}

/// `template_chains()`.
fn skip_chains(bits: &mut Bits<'_>, targets: u8, templates: u8) -> Option<()> {
    let chains = bits.below(u32::from(targets) + 1)?;
    if chains > 0 {
        for _ in 0..targets {
            bits.below(chains)?;
        }
        bits.skip(4 * chains as usize * usize::from(templates))?;
    }
    Some(())
}

#[cfg(test)]
mod tests;
