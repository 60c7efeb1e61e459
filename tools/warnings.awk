# SPDX-License-Identifier: GPL-2.0
#
# Reads the log of a build of modules: prints each warning of the sources in `top`, and of the modules
# that `modules` names. Writes the first lines of all other warnings to the file `others`: kbuild says
# for example that the compiler or pahole are not those that built the kernel, and that is harmless.

function ours(path) {
	return path !~ /^\// || index(path, top "/") == 1
}

# Ends the warning that is being read.
function finish() {
	if (text == "")
		return
	if (is_ours)
		printf "%s", text
	else
		print head > others
	text = ""
	is_ours = 0
}

function begin(whose) {
	finish()
	head = $0
	text = $0 "\n"
	is_ours = whose
}

BEGIN {
	gsub(/[ ,]+/, "|", modules)
}

# modpost: one line.
/^WARNING: / {
	begin($0 ~ "(^|[^A-Za-z0-9_])(" modules ")([^A-Za-z0-9_]|$)")
	finish()
	next
}

# rustc: the place comes in a line below. kbuild says its own with the same word, and names no place.
/^warning(\[[^\]]*\])?: / {
	begin(0)
	next
}

# The C compiler: the place comes first.
/^[^ :]+:[0-9]+:([0-9]+:)? warning: / {
	split($0, part, ":")
	begin(ours(part[1]))
	finish()
	next
}

# objtool speaks of objects, and only those of the modules are made.
/^[^ :]+\.o: warning: / {
	begin(1)
	finish()
	next
}

# ld, make
/^[^ ]+: warning: / {
	begin(0)
	finish()
	next
}

/^$/ {
	finish()
	next
}

text != "" {
	text = text $0 "\n"
	if ($0 ~ /^ *--> /)
		is_ours = 1
}

END {
	finish()
}
