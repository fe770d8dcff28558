#!/usr/bin/perl
# Tasks on words. fanmap worker --serve shout='perl words_task.pl' --serve count='perl words_task.pl'
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use FanmapTask;

binmode STDOUT, ':utf8';

FanmapTask::serve(
    shout => sub {
        my ($text) = @_;
        die { type => 'TypeError', message => 'want a string', final => 1 } if ref $text || !defined $text;
        return uc "$text";
    },
    count => sub {
        my ($text) = @_;
        print "counting words\n";    # goes to the worker's log and breaks nothing
        die "want a string\n" if ref $text || !defined $text;
        my @words = split ' ', $text;
        return scalar @words;
    },
    echo => sub { $_[0] },
);
