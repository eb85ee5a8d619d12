# The same images for all platforms at once, with BuildKit, for a registry:
#
#   docker/build.sh --programs
#   REPOSITORY=registry.example/you docker buildx bake --file docker/bake.hcl --push

variable "REPOSITORY" {
  default = "cow-parking"
}

variable "VERSION" {
  default = "0.1.0"
}

# The commit, and its time by RFC 3339.
variable "REVISION" {
  default = ""
}

variable "CREATED" {
  default = ""
}

# Where the source is, as a URL.
variable "SOURCE" {
  default = ""
}

group "default" {
  targets = ["module", "cow", "fleet"]
}

target "image" {
  context    = "target/images"
  dockerfile = "../../docker/Dockerfile"
  platforms  = ["linux/arm64", "linux/arm/v7", "linux/amd64"]
  args       = { VERSION = VERSION }
  labels = {
    "org.opencontainers.image.created"  = CREATED != "" ? CREATED : null
    "org.opencontainers.image.revision" = REVISION != "" ? REVISION : null
    "org.opencontainers.image.source"   = SOURCE != "" ? SOURCE : null
  }
}

target "module" {
  inherits = ["image"]
  name     = module
  matrix   = { module = ["hc-sr04", "light", "battery", "provisioning"] }
  target   = "module"
  args     = { IMAGE = module }
  tags     = ["${REPOSITORY}/${module}:${VERSION}", "${REPOSITORY}/${module}:latest"]
}

target "cow" {
  inherits = ["image"]
  target   = "cow"
  args     = { IMAGE = "cow" }
  tags     = ["${REPOSITORY}/cow:${VERSION}", "${REPOSITORY}/cow:latest"]
}

target "fleet" {
  inherits = ["image"]
  target   = "fleet"
  args     = { IMAGE = "fleet" }
  tags     = ["${REPOSITORY}/fleet:${VERSION}", "${REPOSITORY}/fleet:latest"]
}
