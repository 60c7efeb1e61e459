#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes what a guest has that loads signed modules only, in build/signed/files: the kernel's modules, signed;
# and in /signed this project's, as `make modules_install` signs them with the kernel's key (kernel), and with
# a key of the operator (operator), whose certificate the kernel's key has signed (operator.x509). Runs inside
# the toolchain root.
#
# usage: signed.sh KERNEL_BUILD_DIR
set -euo pipefail
. "$(dirname "$0")/../env/common.sh"

BUILD=${1:?usage: signed.sh KERNEL_BUILD_DIR}
OUT=$TOP/build/signed$SUFFIX
KEY=$BUILD/certs/signing_key.pem
CERT=$BUILD/certs/signing_key.x509
RELEASE=$(cat "$BUILD/include/config/kernel.release")
grep -q '^CONFIG_MODULE_SIG=y' "$BUILD/include/config/auto.conf" ||
	die "this kernel does not check signatures: make check FLAVOUR=host"
hash=$(sed -n 's/^CONFIG_MODULE_SIG_HASH=//p' "$BUILD/include/config/auto.conf" | tr -d '"')
rm -rf "$OUT"
lib=$OUT/files/lib/modules/$RELEASE
mkdir -p "$lib" "$OUT/files/signed"/{kernel,operator}

sed 's/\.o$/.ko/' "$BUILD/modules.order" | while read -r module; do
	cp "$BUILD/$module" "$lib/"
	"$BUILD/scripts/sign-file" "$hash" "$KEY" "$CERT" "$lib/$(basename "$module")"
done

# A key as DKMS makes one. In a machine with firmware, an operator enrolls it (mokutil). Here the kernel takes
# it because its own key has signed it.
cat >"$OUT/extensions" <<-TEXT
	basicConstraints=critical,CA:FALSE
	keyUsage=digitalSignature
	extendedKeyUsage=codeSigning
	subjectKeyIdentifier=hash
	authorityKeyIdentifier=keyid
TEXT
{
	openssl req -new -nodes -newkey rsa:2048 -batch -subj '/CN=key of the operator' \
		-keyout "$OUT/operator.key" -out "$OUT/operator.csr"
	openssl x509 -inform DER -in "$CERT" -out "$OUT/kernel.pem"
	openssl x509 -req -in "$OUT/operator.csr" -CA "$OUT/kernel.pem" -CAkey "$KEY" -set_serial 1 -days 36500 \
		-sha256 -extfile "$OUT/extensions" -outform DER -out "$OUT/files/signed/operator.x509"
} 2>"$OUT/openssl.log" || die "no key of an operator: $(cat "$OUT/openssl.log")"

"$TOP/tools/packaging/modules.sh" install "$BUILD" "$OUT/kernel" >"$OUT/install.log"
MODULE_KEY=$OUT/operator.key MODULE_CERT=$OUT/files/signed/operator.x509 \
	"$TOP/tools/packaging/modules.sh" install "$BUILD" "$OUT/operator" >>"$OUT/install.log"
for by in kernel operator; do
	cp "$OUT/$by/lib/modules/$RELEASE/updates"/*.ko "$OUT/files/signed/$by/"
done
