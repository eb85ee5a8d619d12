#!/usr/bin/env bash
# Makes the images of this repository from nothing: static programs, cross-compiled here, each in an empty image.
# Needs no registry, no buildx, no emulator.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'END'
usage: docker/build.sh [--arch ARCH]… [--image IMAGE]… [--programs]

  --arch ARCH     amd64, arm64 or armv7; all of them unless said
  --image IMAGE   hc-sr04, light, battery, provisioning, cow or fleet; all of them unless said
  --programs      lay out what the images hold, in target/images, and build none: for docker/bake.hcl

Images are called cow-parking/IMAGE:VERSION-PLATFORM, as deployment.template.json asks for them; REPOSITORY names
another place than cow-parking. Those of this machine's platform are cow-parking/IMAGE, too.
END
}

modules=(hc-sr04 light battery provisioning)
every_arch=(arm64 armv7 amd64)
arches=() images=() programs_only=
while (($# > 0)); do
    case $1 in
        --arch) arches+=("${2:?--arch wants a name}") && shift ;;
        --image) images+=("${2:?--image wants a name}") && shift ;;
        --programs) programs_only=yes ;;
        --help) usage && exit ;;
        *) usage >&2 && exit 2 ;;
    esac
    shift
done
((${#arches[@]} > 0)) || arches=("${every_arch[@]}")
((${#images[@]} > 0)) || images=("${modules[@]}" cow fleet)

among() { local word=$1 && shift && [[ " $* " == *" $word "* ]]; }
for arch in "${arches[@]}"; do
    among "$arch" "${every_arch[@]}" || { echo "there is no $arch: say ${every_arch[*]}" >&2 && exit 2; }
done
for image in "${images[@]}"; do
    among "$image" "${modules[@]}" cow fleet || { echo "there is no $image: say ${modules[*]} cow fleet" >&2 && exit 2; }
done

layout=$PWD/target/images
tools=$PWD/target/tools/cross
repository=${REPOSITORY:-cow-parking}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
oldest_rust=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

# The simulator makes small allocations by the hundred thousand, which musl's allocator is slow at. Where this machine
# can link glibc statically, as cargo does here for itself, it does.
triple_of() {
    case $1:$2:$(uname -m) in
        amd64:cow:x86_64 | amd64:fleet:x86_64) echo x86_64-unknown-linux-gnu ;;
        amd64:*) echo x86_64-unknown-linux-musl ;;
        arm64:*) echo aarch64-unknown-linux-musl ;;
        armv7:*) echo armv7-unknown-linux-musleabihf ;;
    esac
}

# The platform in tags and in module.json, and in the directories that the Dockerfile and BuildKit know.
tag_of() { case $1 in amd64) echo amd64 ;; arm64) echo arm64v8 ;; armv7) echo arm32v7 ;; esac }

# One program is in two images: whole, and without the operator's service, which is a good part of it.
is_cow() { [[ $1 == cow || $1 == fleet ]]; }
program_of() { is_cow "$1" && echo cow || echo module; }
limit_of() { case $1 in cow) echo 15000000 ;; fleet) echo 25000000 ;; *) echo 4000000 ;; esac }

has() { command -v "$1" >/dev/null; }

has_library() { [[ -d $(rustc --print sysroot)/lib/rustlib/$1/lib ]]; }

# Debian has the library's source, and a compiler new enough to build it with, where rustup has no library to give.
has_library_source() {
    local debian
    debian=$(/usr/bin/rustc --version 2>/dev/null | cut -d ' ' -f 2) || return 1
    [[ -d /usr/lib/rustlib/src/rust/library ]] && printf '%s\n' "$oldest_rust" "$debian" | sort -V -C
}

check_needs() {
    local missing=() arch image triples=() triple
    has cargo || { echo "missing: cargo; install Rust $oldest_rust from https://rustup.rs" >&2 && exit 1; }
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=("python3 with venv: on Debian, apt-get install python3-venv")
    for arch in "${arches[@]}"; do
        for image in "${images[@]}"; do triples+=("$(triple_of "$arch" "$image")"); done
    done
    for triple in $(printf '%s\n' "${triples[@]}" | sort -u); do
        has_library "$triple" || rustup target add "$triple" >/dev/null 2>&1 || has_library_source ||
            missing+=("Rust's library for $triple: rustup target add $triple; on Debian also apt-get install rustc-web rust-web-src")
    done
    [[ -n $programs_only ]] || docker info >/dev/null 2>&1 ||
        missing+=("a Docker engine that this user may use: on Debian, apt-get install docker.io; --programs does without")
    ((${#missing[@]} == 0)) && return
    printf 'missing: %s\n' "${missing[@]}" >&2
    exit 1
}

# A C compiler and linker for every target at once.
prepare_zig() {
    has cargo-zigbuild && has zig && return
    PATH=$tools/bin:$PATH
    cmp -s docker/requirements.txt "$tools/installed.txt" && return
    rm -rf "$tools"
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check --requirement docker/requirements.txt
    cp docker/requirements.txt "$tools/installed.txt"
}

# One line for each call of cargo: an architecture, and the images whose programs it makes.
plan() {
    local arch image chosen
    for arch in "${arches[@]}"; do
        chosen=()
        for image in "${images[@]}"; do is_cow "$image" || chosen+=("$image"); done
        if ((${#chosen[@]} > 0)); then echo "$arch ${chosen[*]}"; fi
        for image in cow fleet; do
            if among "$image" "${images[@]}"; then echo "$arch $image"; fi
        done
    done
}

compile() {
    local arch=$1 triple options
    shift
    triple=$(triple_of "$arch" "$1")
    read -ra options < <(options_of "$1")
    is_cow "$1" || options+=("${@/#/--bin=}")
    local cargo=(--locked --profile "$(profile_of "$1")" --target "$triple" "${options[@]}")
    if [[ $triple == *-gnu ]]; then
        # Functions that are the same instructions are there once: nobody here compares their addresses. Relocations are
        # packed, where the glibc that is linked can unpack them.
        local flags="-Ctarget-feature=+crt-static -Clink-arg=-Wl,--icf=all"
        if printf '2.36\n%s\n' "$(getconf GNU_LIBC_VERSION | cut -d ' ' -f 2)" | sort -V -C; then
            flags+=" -Clink-arg=-Wl,-z,pack-relative-relocs"
        fi
        RUSTFLAGS=$flags cargo build "${cargo[@]}"
        return
    fi
    prepare_zig
    if has_library "$triple"; then
        cargo zigbuild "${cargo[@]}"
    else
        RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Clink-self-contained=no \
            cargo zigbuild -Zbuild-std=std,panic_abort "${cargo[@]}"
    fi
}

# What an image holds, once its program is compiled: the next one may have the same name. Nothing but its state is
# written to, by whatever user it is run as.
lay_out() {
    local arch=$1 image=$2 triple root state built options
    triple=$(triple_of "$arch" "$image")
    root=$layout/$arch/$image
    state=$root/$(is_cow "$image" && echo state || echo var/lib/bay)
    built=$(is_cow "$image" && echo cow || echo "$image")
    read -ra options < <(options_of "$image")
    rm -rf "$root"
    mkdir -p "$root/bin" "$state"
    install -m 755 "target/$triple/$(profile_of "$image")/$built" "$root/bin/$(program_of "$image")"
    python3 docker/sbom.py "$built" "$triple" "${options[@]}" >"$root/sbom.cdx.json"
    chmod -R a+rX "$root"
    chmod 1777 "$state"
}

# An image of nothing, which says of what platform it is.
load_base() {
    local config
    case $1 in
        amd64) config='"architecture":"amd64"' ;;
        arm64) config='"architecture":"arm64"' ;;
        armv7) config='"architecture":"arm","variant":"v7"' ;;
    esac
    printf '{%s,"os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}' "$config" >"$scratch/config.json"
    printf '[{"Config":"config.json","RepoTags":["cow-parking/empty:%s"],"Layers":[]}]' "$1" >"$scratch/manifest.json"
    tar -C "$scratch" -c config.json manifest.json | docker load --quiet >/dev/null
}

build_image() {
    local arch=$1 image=$2 options=()
    if git rev-parse HEAD >/dev/null 2>&1; then
        options+=(--label "org.opencontainers.image.revision=$(git rev-parse HEAD)")
        options+=(--label "org.opencontainers.image.created=$(git log -1 --format=%cI)")
    fi
    if [[ $arch == armv7 ]]; then
        options+=(--build-arg TARGETARCH=arm --build-arg TARGETVARIANT=v7)
    else
        options+=(--build-arg "TARGETARCH=$arch")
    fi
    if [[ $arch == "$(native)" ]]; then options+=(--tag "$repository/$image"); fi
    DOCKER_BUILDKIT=0 docker build --quiet --file docker/Dockerfile --target "$(target_of "$image")" \
        --build-arg "BASE=cow-parking/empty:$arch" --build-arg "IMAGE=$image" --build-arg "VERSION=$version" \
        --tag "$(name_of "$arch" "$image")" "${options[@]}" "$layout" >"$scratch/build" 2>&1 ||
        { cat "$scratch/build" >&2 && exit 1; }
}

# What cargo is told to build. All modules decide what the crates they share can do, so that each is the same whatever
# is made beside it.
options_of() {
    case $1 in
        cow) echo --package=cow --no-default-features ;;
        fleet) echo --package=cow ;;
        *) echo "${modules[@]/#/--package=}" ;;
    esac
}

profile_of() { is_cow "$1" && echo container || echo module; }

target_of() { is_cow "$1" && echo "$1" || echo module; }

name_of() { echo "$repository/$2:$version-$(tag_of "$1")"; }

native() { case $(uname -m) in x86_64) echo amd64 ;; aarch64) echo arm64 ;; armv7l) echo armv7 ;; esac }

size_of() {
    if [[ -n $programs_only ]]; then
        find "$layout/$1/$2" -type f -printf '%s\n' | awk '{ all += $1 } END { print all }'
    else
        docker image inspect --format '{{.Size}}' "$(name_of "$1" "$2")"
    fi
}

# In megabytes of a million bytes, unpacked. An image that outgrew its limit is a failure.
print_sizes() {
    local arch image size over=
    printf '\n%-14s' image
    printf '%10s' "${arches[@]}" limit
    for image in "${images[@]}"; do
        printf '\n%-14s' "$image"
        for arch in "${arches[@]}"; do
            size=$(size_of "$arch" "$image")
            awk -v size="$size" 'BEGIN { printf "%7.2f MB", size / 1e6 }'
            if ((size > $(limit_of "$image"))); then over+=" $image-$arch"; fi
        done
        awk -v size="$(limit_of "$image")" 'BEGIN { printf "%7.2f MB", size / 1e6 }'
    done
    printf '\n'
    [[ -z $over ]] || { echo "too large:$over" >&2 && exit 1; }
}

minutes() { printf '%d:%02d min' $((SECONDS / 60)) $((SECONDS % 60)); }

# What is compiled stays, so a run that was cut short goes on where it was; what is laid out and built is whole.
check_needs
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [[ -z $programs_only ]]; then
    for arch in "${arches[@]}"; do load_base "$arch"; done
fi
mapfile -t steps < <(plan)
for at in "${!steps[@]}"; do
    read -ra step <<<"${steps[at]}"
    arch=${step[0]}
    printf '== %s of %s: %s for %s, after %s\n' $((at + 1)) ${#steps[@]} "${step[*]:1}" "$arch" "$(minutes)"
    compile "${step[@]}"
    for image in "${step[@]:1}"; do
        lay_out "$arch" "$image"
        if [[ -z $programs_only ]]; then build_image "$arch" "$image"; fi
    done
done
printf '== made in %s\n' "$(minutes)"
print_sizes
