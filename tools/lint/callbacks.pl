#!/usr/bin/env perl
# SPDX-License-Identifier: GPL-2.0
#
# Makes two sources, in C and in Rust, of what bindgen says about structures of callbacks, so that each
# compiler says what type it thinks that a callback has (see callbacks.sh). For each callback, C declares
# a function STRUCT__MEMBER of its type, and Rust defines one of that name, which calls it.
#
# usage: callbacks.pl OUT.c OUT.rs STRUCT,... CRATE=BINDINGS.rs ...
use strict;
use warnings;

my ($c_path, $rust_path, $wanted, @bindings) = @ARGV;
my %wanted = map { $_ => 1 } split /,/, $wanted;
my %seen;
my ($declarations, $functions, $rust) = ('', '', '');

# How many parameters there are between the parentheses.
sub parameters {
	my ($text) = @_;
	my ($depth, $count) = (0, 0);
	$text =~ s/,\s*$//;
	return 0 if $text =~ /^\s*$/;
	for my $letter (split //, $text) {
		$depth++ if $letter =~ /[(<\[]/;
		$depth-- if $letter =~ /[)>\]]/;
		$count++ if $letter eq ',' && !$depth;
	}
	return $count + 1;
}

for my $crate (@bindings) {
	my ($module, $path) = split /=/, $crate;
	open my $file, '<', $path or die "$path: $!\n";
	local $/;
	my $text = <$file>;
	while ($text =~ /^pub (?:struct|union) (\w+) \{\n(.*?)^\}/msg) {
		my ($type, $body) = ($1, $2);
		# Members of an anonymous union are members of the structure in C.
		(my $struct = $type) =~ s/__bindgen_ty_\d+$//;
		next if !$wanted{$struct};
		$body =~ s/\s+/ /g;
		while ($body =~ /pub (\w+): ::core::option::Option< ?unsafe extern "C" fn\((.*?)\)(?: -> [^,]*?)?,? ?>,/g) {
			my ($member, $count) = ($1, parameters($2));
			next if $seen{"$struct $member"}++;
			my $name = "${struct}__$member";
			# What is a keyword in Rust has that behind it.
			(my $in_c = $member) =~ s/_$//;
			my $zeroed = join ', ', ('zeroed()') x $count;
			$declarations .= "extern typeof(*((struct $struct *)0)->$in_c) $name;\n";
			$functions .= "\t$name,\n";
			$rust .= "#[no_mangle]\npub unsafe extern \"C\" fn $name(s: *const $module\::$type) {\n";
			$rust .= "    if let Some(f) = (*s).$member {\n        f($zeroed);\n    }\n}\n";
		}
		$seen{$struct}++;
	}
}
for my $struct (keys %wanted) {
	die "$struct: no bindings have it\n" if !$seen{$struct};
}

sub put {
	my ($path, $text) = @_;
	open my $file, '>', $path or die "$path: $!\n";
	print $file $text;
	close $file or die "$path: $!\n";
}
put($c_path, "#include \"bindings.h\"\n\n${declarations}void *const functions[] = {\n$functions};\n");
put($rust_path, "#![allow(warnings, unsafe_op_in_unsafe_fn)]\nuse core::mem::zeroed;\n$rust");
