//! What a bot sends: pictures from a file in packets like libwebrtc's, and speech by a pattern.

mod camera;
mod clip;
mod microphone;
mod packets;
mod stamp;

pub use camera::{Camera, CameraConfig, Picture};
pub use clip::{BadClip, Clip, Frame, VideoCodec};
pub use microphone::{Microphone, Sound};
pub use packets::{Packets, is_key_frame, packetise};
pub use stamp::Stamp;
