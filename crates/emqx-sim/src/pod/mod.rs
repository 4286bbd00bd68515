//! One node in a pod, under the names and paths of the real image.
