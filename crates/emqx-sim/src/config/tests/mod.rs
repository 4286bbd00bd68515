mod layers;
mod properties;
mod recordings;
mod updates;
