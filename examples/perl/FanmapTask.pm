package FanmapTask;

=head1 NAME

FanmapTask - tasks of fanmap in Perl: a slot program in core modules alone

=head1 SYNOPSIS

    use FanmapTask;
    FanmapTask::serve(
        shout => sub { my ($text) = @_; uc $text },
        fetch => sub { my ($url, $attempt) = @_; die { type => 'Gone', message => $url, final => 1 } },
    );

    fanmap worker --serve shout='perl words_task.pl'

fanmap starts the program once in each slot and hands it one item after the other, decoded from JSON. What the function
returns is the item's value; what it dies with is the item's error: a text, or a hash of type, message and final (do not
try again); where it died stands in the error's stderr. print goes to the worker's log. The second argument is a hash: job, task, index, attempt, attempts_max,
fence, deadline_ms, bound, slot. Binary items are { '$binary' => BASE64 }. The protocol: docs/tasks.md.

=cut

use strict;
use warnings;
use Carp ();
use IO::Handle;
use JSON::PP;

my $json = JSON::PP->new->utf8->canonical->allow_nonref->allow_bignum;

sub _say {
    my ($to, %message) = @_;
    print {$to} $json->encode(\%message), "\n";
    $to->flush;
}

# The descriptor of FANMAP_SLOT_FD; without one, stdin and stdout, and then print goes to stderr.
sub _channel {
    my $fd = $ENV{FANMAP_SLOT_FD};
    open my $from, '<&=', defined $fd ? $fd : 0 or die "fanmap: $!\n";
    open my $to, '>&', defined $fd ? $fd : 1 or die "fanmap: $!\n";
    open STDOUT, '>&', \*STDERR or die "fanmap: $!\n" if !defined $fd;
    return ($from, $to);
}

sub _error {
    my ($why) = @_;
    my %error = ref $why eq 'HASH' ? %$why : (type => 'die', message => "$why");
    chomp $error{message};
    return { type => "$error{type}", message => "$error{message}",
             final => $error{final} ? JSON::PP::true : JSON::PP::false };
}

sub _run {
    my ($to, $task, $message, $attempt) = @_;
    my $where = '';
    local $SIG{__DIE__} = sub { $where = Carp::longmess(ref $_[0] eq 'HASH' ? $_[0]{message} : $_[0]) };
    my $value = eval { $json->encode([$task->($message->{in}, $attempt)]) };
    if (defined $value) {
        $value =~ s/^\[//;
        $value =~ s/\]$//;
        $value = 'null' if $value eq '';
        print {$to} qq({"type":"done","n":$message->{n},"value":$value}\n);
        $to->flush;
    } else {
        my $error = _error($@);
        print STDERR $where;    # the tail of stderr stands in the error
        STDERR->flush;
        _say($to, type => 'done', n => $message->{n}, error => $error);
    }
}

sub serve {
    my (%tasks) = @_;
    my ($from, $to) = _channel();
    my (%attempt, $is_running);
    STDOUT->autoflush(1);
    local $SIG{TERM} = sub { exit 0 if !$is_running; die { type => 'Cancelled', message => 'told to stop' } };
    _say($to, type => 'hello', v => 1, encoding => 'json', tasks => [sort keys %tasks]);
    _say($to, type => 'ready');
    while (my $line = <$from>) {
        my $message = $json->decode($line);
        last if $message->{type} eq 'bye';
        if ($message->{type} eq 'job') {
            %attempt = (%$message, slot => $ENV{FANMAP_SLOT});
        } elsif ($message->{type} eq 'run') {
            $is_running = 1;
            _run($to, $tasks{$attempt{task}}, $message, { %attempt, %$message });
            $is_running = 0;
        }
    }
}

1;
