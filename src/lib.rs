//! codecanvas.
