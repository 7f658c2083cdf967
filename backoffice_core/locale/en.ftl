# Every word a person sees. A language is a file: a further .ftl in this folder is offered by itself.


## Frame

skip-to-main = Skip to main
nav-sections = Sections
nav-desk = Desk
nav-floor = Floor
nav-queue = Queue
nav-lines = Trunks
nav-unknown = No end
nav-search = Search
nav-case = Case
search-case = Case, contract, phone, name
language = Language
theme = Light or dark theme
extension = ext. { $n }
log-out = Log out
live-on = Live
live-connecting = Connecting
live-restored = Back online after $ s
offline-desk = No link to the server. The talk goes on, the note is kept on this computer. Reconnecting; last news at
offline-page = No link to the server. Reconnecting; data as of
try-now = Try now
request-failed = It did not work. Check the link and repeat.
close = Close
cancel = Cancel
reason = Reason
to-start = To the start
today = Today
hours-minutes = { $hours } h { $minutes } min
minutes = { $n } min
days = { $n ->
        [one] { $n } day
       *[other] { $n } days
    }
until-date = by { $date }
until-time = allowed until { $time }
control-on = control { $date }

## Login

product-line = Contact centre · collection
login-title = Log in
login-name = Login
login-password = Password
login-caps = Caps Lock is on
login-phone = Phone for today
login-phone-hint = For the browser phone, allow the microphone in the next step
login-button = Log in
login-failed = The login or the password does not fit. After 5 failed attempts the login is closed for 15 minutes; an administrator can open it earlier.
login-expired = The session has ended. Log in again: the case and the draft are in place.
login-journal = Logins, views of cases and listening are written to a journal. After 5 failed attempts the login is closed for 15 minutes.
phone-browser = In the browser
phone-desk = Desk phone
health-database = Database
health-database-away = Database is away
health-redis = News
health-redis-away = News are away
health-telephony = Telephony
health-telephony-away = Telephony is away
health-stopped = Dialing is stopped

## Roles

role-agent = agent
role-supervisor = supervisor
role-manager = manager
role-admin = administrator

## States of agents and calls

agent-state-READY = Ready
agent-state-RESERVED = Dialing
agent-state-TALKING = Talking
agent-state-WRAP_UP = Wrap-up
agent-state-PAUSED = Pause
agent-state-UNREACHABLE = Unreachable
agent-state-OFF = Off shift
agent-connecting = Connecting line
paused = Pause: { $reason }
pause-LOGIN = Start of shift
pause-BREAK = Break
pause-LUNCH = Lunch
pause-TRAINING = Training
pause-TECHNICAL = Technical
pause-PHONE_HUNG_UP = Phone hung up
pause-LINE_LOST = Line lost
pause-NO_DISPOSITION = No result
call-state-INTENT = Dialing
call-state-RINGING = Ringing
call-state-ANSWERED = Answered
call-state-CONNECTED = Talking
call-state-SETTLING = Settling
call-state-ENDED = Ended
task-state-ELIGIBLE = Queued
task-state-DIALING = Dialing
task-state-SETTLING = Settling
task-state-RETRY_WAIT = Retry later
task-state-DONE = Done
task-state-EXHAUSTED = Exhausted
task-state-CANCELLED = Cancelled
task-state-UNKNOWN = Unknown

## Telephony results (domain 2.3)

result-ANSWERED_HUMAN = Answered by a person
result-ANSWERED_MACHINE = Answering machine
result-ANNOUNCEMENT = Network announcement
result-FAX = Fax
result-NO_ANSWER = No answer
result-BUSY = Busy
result-CONGESTION = Network congestion
result-INVALID_NUMBER = Invalid number
result-REJECTED = Rejected
result-ABANDONED = Abandoned
result-SILENT = Silent
result-FAILED = Failed
result-UNKNOWN = Unknown
result-CANCELLED = Cancelled

## Outcomes of talks (domain 2.3)

outcome-PTP_FULL = Promise to pay in full
outcome-PTP_PART = Promise to pay in part
outcome-PAID_CLAIM = Says it is paid
outcome-CALLBACK = Asks to call back
outcome-PLAN_REQ = Asks for a plan
outcome-HARDSHIP = Hardship
outcome-REFUSE = Refuses to pay
outcome-DISPUTE = Disputes the debt
outcome-LEFT_MSG_3P = Message via a third party
outcome-WRONG_PERSON = Wrong person
outcome-WRONG_NUMBER = Wrong number
outcome-DECEASED = Deceased, as said
outcome-BANKRUPT = Bankrupt, as said
outcome-INCAPACITY = Incapacity, as said
outcome-HOSPITAL = In hospital, as said
outcome-MILITARY = Military, as said
outcome-CEASE = Refuses contact
outcome-REP_ONLY = Only via representative
outcome-LANG = Another language
outcome-HANGUP = Hung up
outcome-ABUSE = Abuse
outcome-VOICEMAIL_LIMITED = Answering machine
outcome-NO_CONTACT = No contact
outcome-NO_DISPOSITION = No result given

## Why a case is not called (domain 2.3)

reason-CLOSED = Case closed
reason-STOP_LIST = Stop list
reason-ON_HOLD = On hold
reason-STATUS_BLOCK = Protected status
reason-NOT_DUE = Not due yet
reason-PROMISE_OPEN = Open promise
reason-NO_PHONE = No usable phone
reason-NO_TIME_ZONE = Time zone unknown
reason-NO_RULE = No rule allows it
reason-CAP_REACHED = Contact limit reached
reason-COOLDOWN = Cooldown after a talk
reason-RETRY_WAIT = Waiting for retry
reason-EXHAUSTED = Attempts exhausted
reason-OUT_OF_HOURS = Out of hours
reason-DAY_OVER = The day is over
reason-DEMO_ON_REAL_TRUNK = Demo never calls outside
why-CALL_BACK = Asked to be called
why-BROKEN_PROMISE = Broken promise
why-VALUE = By expected value
why-times = ×{ $n } typical

## Cases, stages, flags, phones, promises, tasks

case-state-NEW = New
case-state-ACTIVE = Active
case-state-PROMISED = Promise
case-state-PLAN = Plan
case-state-ON_HOLD = On hold
case-state-TRANSFERRED_SECURITY = With security
case-state-PRE_LEGAL = Pre-legal
case-state-LEGAL = Court
case-state-ENFORCEMENT = Enforcement
case-state-PLACED = With agency
case-state-CURED = Cured
case-state-PAID_OFF = Paid off
case-state-WRITTEN_OFF = Written off
case-state-RECOVERY = Recovery
case-state-SOLD = Sold
case-state-CLOSED = Closed
stage-0 = Pre-due
stage-1 = Soft early 1–30
stage-2 = Soft late 31–60
stage-3 = Hard 61–90
stage-4 = Pre-legal 91–180
stage-5 = Legal
stage-6 = Enforcement
stage-7 = Written off
stage-8 = Agency
stage-9 = Sold
flag-bankrupt = Bankrupt
flag-incapacitated = Incapacitated
flag-inpatient = In hospital
flag-minor = Minor
flag-disability_group_1 = Disability group I
flag-protected_military = Military
flag-close_to_protected = Close to protected
flag-deceased = Deceased
flag-vulnerable = Vulnerable
flag-representative_only = Representative only
flag-refused_interaction = Refused contact
flag-breathing_space = Breathing space
flag-breathing_space_mh = Breathing space, health
owner-self = Own
owner-work = Work
owner-relative = Relative's
owner-third_party = Third party's
owner-unknown = Owner unknown
phone-state-UNVERIFIED = Unverified
phone-state-VERIFIED = Verified
phone-state-SUSPECT = Suspect
phone-state-DEAD = Dead
phone-state-UNREACHABLE = Unreachable
phone-state-WRONG_PARTY = Wrong party
promise-OPEN = Open
promise-PARTIAL = Partial
promise-KEPT = Kept
promise-BROKEN = Broken
promise-CANCELLED = Cancelled
task-CHECK_PROMISE = Check payment of the promise
task-CHECK_POSTING = Check the posting
task-CALLBACK = Call back
task-FOLLOW_UP = Follow up the promise
task-SPECIALIST = Hand to a specialist
task-NEXT_STAGE = Move to the next stage
task-DISPUTE = Handle the dispute
task-REFRESH_CONTACT_DATA = Refresh contact data
task-CHECK_NUMBER = Check the number: it is wrong for another borrower
task-EVIDENCE = Obtain evidence
task-STOP_REQUEST = File the stop request
recording-EXPECTED = recording on its way
recording-MISSING = recording missing
speech-uk = Ukrainian
speech-ru = Russian
speech-en = English
campaign-collection = Collection
mode-progressive = progressive dialing
event-call = Call
event-outcome = Result of the talk
event-wrap_over = Time for the result is over
event-settled = Result by a person
event-promise = Promise
event-task = Task
event-flag = Status
event-note = Note
event-stage = Stage
event-state = State of the case
event-import = Import

## Desk: call bar

bar-label = State and call
bar-mic = Mute
bar-recording = recording
bar-hang-up = Hang up
bar-pause = Pause
bar-pause-choose = Choose the reason of the pause
bar-pause-reason = Reason of the pause
bar-pause-later = Pause later
bar-pause-after = then pause: { $reason }
bar-pause-after-title = Pause after this talk
bar-pause-cancel = Cancel the pause after the talk
bar-pause-after-save = Pause after saving
bar-talked = talked { $time }
bar-wrap-meter = Time left for the result
bar-wrap-left = { $limit } s for the result; after that a supervisor completes it and no calls come
bar-waiting = Waiting for a call
bar-stopped = Dialing is stopped
bar-stopped-hint = Calls come when a supervisor lifts the stop
bar-line-connecting = Connecting your line
bar-line-browser = The browser phone answers by itself
bar-line-desk = Lift the handset: the phone rings once a shift
bar-line-lost = The line to your phone was lost. Check the phone, then go ready.
bar-unreachable = Your phone does not answer
bar-paused = No calls while you are paused
bar-paused-hint = F2 or the button, and calls come
bar-no-disposition = The result was not given in time: a supervisor completes the case
bar-ready = Ready
no-extension = You have no extension
no-extension-remedy = Ask an administrator: without one no calls come
phone-desk-line = desk phone, { $n }
phone-registered = phone connected
phone-connecting = phone is connecting
phone-off = Telephony does not answer: trying again
phone-no-mic = No microphone: connect a headset and allow it in the browser
phone-insecure = The browser gives the microphone only over https or on the same computer
phone-refused = Telephony refused your extension: call an administrator
mic-lost = The microphone is gone. The other side does not hear you.
leave-in-call = A talk is going on
second-tab-title = The desk is open in another tab
second-tab-text = The phone and the calls live in one tab only. You can take them over here.
second-tab-take = Take over here
second-tab-taken = phone is in another tab

## Desk: ready

my-day = My day
fig-talks = talks with people
fig-rpc = right-party contacts
fig-promises = promises
fig-promised = promised today
fig-talk-mean = mean talk
fig-wrap-mean = mean wrap-up
time-in-states = Time in states, { $total }
my-callbacks = My callbacks
persons-time = person's time
no-callbacks = No callbacks today
no-callbacks-hint = Agreed calls appear here on their day; the system dials them.
promises-due = Promises due today
no-promises-due = No promises due today
no-promises-due-hint = Here you will see which of your borrowers pay today.
my-calls = My last calls
no-calls-yet = No calls yet
no-calls-yet-hint = They appear after the first talk.
col-when = When
col-borrower = Borrower
col-place = Place
col-language = Language

## Desk: card

pane-card = Card
pane-talk = Talk
pane-result = Result
borrower = Borrower
ask-for = Ask for
confirmed = Identity confirmed
not-confirmed = Not confirmed
local-time = Their time
number = Number
contacts = Contacts
contacts-of = { $used } of { $max }
contacts-used = { $used } today
overdue = Overdue
principal = Principal
interest = Interest
penalty = Penalty
whole-debt = Whole debt
next-payment = Next payment
contract = Contract
promises = Promises
kept = kept
broken = broken
last-promise = Last: { $amount } by { $date }
no-promises = No promises yet
balance-old = The bank's data is of { $time } and too old, so sums are hidden. Name none, suggest checking in the app
hidden-title = Hidden until confirmed
hidden-sum = Sum of the debt
hidden-days = Days past due
hidden-loans = Other loans
hidden-why = The data has not been sent to the browser yet. Tell a third party nothing of the debt, nor of the bank beyond its name.
tab-script = Script
tab-history = History
step-identity = Step 1 of 2 · identity
step-agreement = Step 2 of 2 · agreement
identity-title = Identity check: { $needed } matches of 3 needed
identity-misses = misses { $n } of 3
identity-matches = { $n } of { $needed } needed matches
identity-birth_date = Date of birth
identity-birth_date-hint = 14.03.1985
identity-tax_id_last4 = Tax id, last 4
identity-tax_id_last4-hint = last 4 digits
identity-code_word = Code word
identity-code_word-hint = as the client says
identity-check = Check: { $field }
identity-match = Matches
identity-no-match = Does not match
identity-not-asked = Not asked
identity-locked = Three answers did not match: the check is closed for this call. Say nothing of the debt; choose a result on the right.
third-party-title = If somebody else answers
third-party-rule = Nothing more: no debt, no sum, no reason.
if-says = If they say
says-whole = I cannot pay it all
says-whole-do = How much and when? Result: promise in part
says-salary = My pay is late
says-salary-do = When does it come? A promise reaches up to 30 days
says-paid = It is paid
says-paid-do = Date, sum, way into the note; result: says it is paid
says-dispute = The sum is wrong
says-dispute-do = Result: disputes the debt. Treatment pauses, the dispute is handled
says-hardship = I lost my job, I am ill
says-hardship-do = Result: hardship. A specialist takes over
must-say = Say without fail
must-basis = Basis of the debt and contract
must-amount = The sum, penalty apart
must-plan = The right to a plan
must-how = How and where to pay
script-greeting = Good day! My name is { $agent }, { $bank }, address: { $address }.
script-ask = May I ask, are you
script-third-party = “Please pass on that { $agent } called, and ask to call back on { $phone }.”
script-debt = { $name }, your contract is overdue by { $days ->
        [one] { $days } day
       *[other] { $days } days
    }. { $amount } is due now. When can you pay this sum?
script-debt-old = { $name }, your contract is overdue. The exact sum is in the bank's app. When can you pay it?
no-history = No history yet
no-history-hint = Calls, promises and tasks appear here.

## Desk: last contacts

last-contacts = Last events

## Desk: result

code-or-digit = code or digit
result-code = Result code
other-results = Other results ({ $n })
more-after-confirmation = More results after the identity is confirmed
field-amount = Sum
field-amount-hint = 18462.75
field-due_date = By date
field-due_date-hint = 25.11, 2511 or +3
field-call_back_at = When to call back, their time
field-call_back_at-hint = 25.11 14:30 or 14:30
input-amount-unreadable = This is no sum. Write, for example, 1500.00
input-amount-BAD_INPUT = Give the sum: above zero and not above what is overdue
input-due_date-unreadable = This is no date. Write 25.11, 2511 or +3
input-due_date-BAD_INPUT = Give a day from today to 30 days ahead
input-call_back_at-unreadable = This is no time. Write 25.11 14:30 or 14:30
input-call_back_at-BAD_INPUT = Give a time in the future
input-outcome-BAD_INPUT = Choose a result from the list
input-outcome-OUTCOME_NEEDS_CONFIRMATION = Confirm the identity first: this result means a talk with the borrower
note = Note
note-hint = Saved while you type
draft-saved = draft saved
draft-local = draft on this computer
next-choose = Choose a result to see the next step
next-step = Next: { $task }, { $date }
next-state = state “{ $state }”
next-nothing = Next: retry by the dialing rules
no-result-no-call = No next call without a result
save-after-talk = Save after the talk
save-and-next = Save and next
save-and-pause = Save and pause
result-is-saved = The result is saved
saved-result = Saved: { $result }
saved-promise = Promise saved: { $amount } by { $date }

## History and case

hist-call = Outgoing call — { $result }
hist-outcome = Result: { $outcome }
hist-settled = The call ended as: { $result }
hist-task = Task: { $task }
hist-flag = Status: { $flag }
hist-stage = Stage: { $to }
hist-promise = Promise: { $state }
hist-state = State of the case: { $to }
hist-abandoned = abandoned: no agent
listen = Listen
recording-of = Recording of { $time }
listening-noted = Listening is written to the journal. Left the agent, right the borrower.
case-title = Case { $number }
case-owner = owner { $name }
case-overdue = overdue
case-days = { $n ->
        [one] day past due
       *[other] days past due
    }
case-debt = whole debt
case-side = Steps, phones, promises, loans
timeline = Timeline
older = Older
to-newest = To the newest
complete-title = Complete the result
complete-why = { $agent } gave no result of the talk of { $time }. Listen to the recording and choose it; nobody calls before
complete-not-confirmed = The identity was not confirmed in the talk, so results that mean a talk with the borrower are not offered.
complete-result = Result of the talk
complete-save = Save the result
next-steps = Next steps
no-tasks = No open tasks
phones = Phones
no-phones = No numbers
kept-of = kept { $kept } of { $n }
loans = Loans
no-loans = No loans
as-at = as of { $time }
col-days = Days

## Floor

strip-label = Summary
strip-talking = talking
strip-ready = ready
strip-connecting = connecting
strip-wrap = wrap-up
strip-paused = paused
strip-lost = unreachable
strip-dialing = dialing
strip-promises = Promises
camp-ready = ready
camp-talking = talking
camp-dialing = dialing
camp-waiting = waiting
camp-left = left
camp-abandoned = Abandoned
camp-abandoned-meter = Abandoned { $percent }, limit 3%
of-answered = of { $n } answered
of-answers = { $rpc } of { $n } answers
fig-dialed = attempts
fig-answered = answered
fig-connected = connected
fig-rpc-short = right party
fig-promises-short = promises
fig-rpc-rate = Right party of answers
agents = Agents
sort = Order
sort-state = by state
sort-name = by name
col-agent = Agent
col-state = State
col-time = Time
no-agents = Nobody is on shift yet
no-agents-hint = Agents appear here when they log in.
live-calls = Calls now
no-live-calls = No calls
no-live-calls-hint = They appear when agents are free and the queue has tasks.
no-live-calls-stopped = Dialing is stopped.
not-callable = Not callable
of-cases = of { $n } cases
no-reasons = The queue is not built yet
lines = Lines
lines-used = { $n } in use
lines-of = { $used } of { $n }
stop-dialing = Stop dialing
stop-question = Stop dialing in all campaigns?
stop-counts = No new calls will start. Dialing now: { $lines }. Talks that go on: { $talks }. A person lifts the stop with a reason.
stop-done = Dialing is stopped
stop-done-database-away = Dialing is stopped. The database is away: the journal follows later.
stop-lifted = The stop is lifted, dialing goes on
no-result-title = Talks without a result: { $n }
no-result-do = complete it in the case; nobody calls there before
stopped-title = Dialing is stopped
stopped-chip = stopped
stopped-by = { $name }, { $time }
stopped-by-file = The file STOP in the data folder
lift-stop = Lift the stop
lift-question = Lift the stop?
lift-text = Calls start at once. The journal takes your name: { $name }.
lift-reason = Why dialing may go on

## Queue

queue-title = Queue of { $date }
queue-hint = the night's check is repeated at the moment of dialing
queue-total = queued
queue-left = left
queue-refused = not callable
queue-list = The queue in its order
queue-none = Nothing here
queue-none-hint = Today's queue is not built yet. The night builds it, or the command backoffice nightly.
queue-none-here = No cases match.
why-not = Why not called
all-callable = All that may be called
all-refused = All that may not
why-order = Why in this place
col-attempts = Attempts
col-earliest = Not before
col-rule = Rule
col-until = Callable from
until-person = when a person decides
rows-shown = { $n } shown
to-first = To the first
next-page = Next

## Ledger and leases
unknown-title = Calls of unknown end
unknown-alarm = Calls whose end nobody heard: { $n }
unknown-hint = They count as contacts and are not dialed by themselves; say how each ended
unknown-left = waiting
unknown-none = There are no such calls
unknown-evidence = What is known
unknown-settle = Say how
unknown-noted = Noted
unknown-saved = Saved
evidence-nothing = Nothing was heard
evidence-rang = It rang
evidence-answered = It was answered
evidence-talked = There was a talk
evidence-recorded = recording { $time }
problem-SLOT_GONE = Its place in the ledger of contacts was gone; written anew.
problem-NOT_SETTLED = Its end could not be written.
stop-cause-CLOCK_JUMPED = The clock jumped by { $seconds } s
stop-cause-CLOCK_DATABASE = The database's clock differs from ours by { $seconds } s
stop-cause-CLOCK_SHIFTED = Business time was shifted by { $seconds } s


## Listener

hist-estimated = end estimated from the last evidence


## Backup, restore, drain

stop-reason-RESTORED = the database was restored: the calls since then are being accounted for
drain-title = No new calls begin
drain-do = An operator lets the talks end. “backoffice drain --lift” lets new calls begin again.
error-RESTORE_UNSETTLED = The database was restored, and the calls since then are not accounted for
remedy-RESTORE_UNSETTLED = The operator sees what is missing with “backoffice restore findings”; then the stop can be lifted.


## Recordings at rest

recording-DELETED = recording deleted by rule
sound-NOT_RECORDED = The call is not recorded
sound-CUT_SHORT = The recording is shorter than the call
sound-NO_SOUND = Nobody is heard
sound-AGENT_SILENT = The agent is not heard: one-way audio
sound-BORROWER_SILENT = The borrower is not heard: one-way audio
sound-AGENT_CLIPPED = The agent's voice is overdriven
sound-BORROWER_CLIPPED = The borrower's voice is overdriven
bad-sound-title = Calls with bad sound today: { $n }
bad-sound-phone = phone { $phone }
stopped-by-house = The house stopped by itself
stop-cause-RECORDINGS_FULL = the recordings volume is full, talks would not be recorded. Free space, then lift the stop
error-RECORDINGS_FULL = The recordings volume is full
remedy-RECORDINGS_FULL = Free space or enlarge the volume; nobody is dialed before, because talks would not be recorded.
error-KEY_MISSING = The recording cannot be opened: its key is missing
remedy-KEY_MISSING = Tell an administrator: an older key of recordings is needed.


## Audit, clients, contacts elsewhere

hist-stop-list = by the bank's stop list: { $why }
api-title = API for the bank's systems
api-lead = A key: backoffice client add NAME; header Authorization: Bearer KEY. Repeating a request changes nothing. Fields with a star are needed.
api-field = Field
api-type = Kind
api-meaning = Meaning
sources-late = Sources of contacts are silent: { $names }. Daily limits are lowered by rule.


## Trunks and caller ids

reason-DESTINATION_NOT_ALLOWED = No trunk may call this destination
reason-DESTINATION_DENIED = This destination is denied on the trunk
reason-DESTINATION_PREMIUM = A number with a surcharge is not dialed
reason-DESTINATION_UNREADABLE = A number without its country code is not dialed
reason-CALLER_ID_ABSENT = The campaign has no number to show: add one
reason-CALLER_ID_OUT = The campaign's number has left the pool by the operators' signs
reason-CALLER_ID_EXPIRED = The campaign's number is no longer valid, or not yet
reason-CALLER_ID_NOT_ADMITTED = The trunk does not admit the campaign's number
reason-CALLER_ID_HIDDEN = No call is placed with a hidden number
reason-NO_TRUNK = There is no trunk to call by
trunk-state-CLOSED = works
trunk-state-OPEN = out because of errors
trunk-state-HALF_OPEN = tried by one call
trunk-why-FAULTS = the carrier's errors
trunk-why-REFUSES_ALL = it refuses everybody
trunk-why-BY_HAND = closed by a person
trunk-closed-do = Calls go by other trunks; a person opens it again.
lines-act = Act
lines-close = Close the trunk
lines-open = Open the trunk
lines-close-question = Close the trunk { $name }? Talks go on, no new call takes it
lines-open-question = Open the trunk { $name } for calls?
lines-reason-needed = { $name }: a reason is needed. Say why
caller-id-take-out = Take out
caller-id-put-back = Put back
caller-id-out-question = Take { $number } out of the pool? No call shows it until somebody puts it back
caller-id-back-question = Put { $number } back into the pool? First mend what took it out
caller-ids-retired = Numbers taken out by a person
trunk-out-title = Trunk { $name } is out: { $why }
trunk-out-do = Calls go by other trunks; one call tries it again at { $time }.
trunk-money-title = Trunk { $name } has used up today's money: { $spent } of { $budget }
trunk-money-do = It does not call until tomorrow. An administrator sets a larger sum.
caller-id-out-title = Number { $number } has left the pool
caller-id-out-do = Signs: { $signs }. No other number has taken its place by itself.
lines-page = Trunks and numbers
lines-health = Health of the trunks
lines-answers = Answers in an hour
lines-cps = Calls a second
lines-money = Money today
lines-errors = Last errors
lines-none = No errors
caller-ids = Numbers that we show
caller-id-number = Number
caller-id-always = without end
caller-id-calls = Calls
caller-id-answer-rate = Answered
caller-id-talk = Talk
caller-id-short = Under 60 s
caller-id-new = New numbers
caller-id-silent = Silent, abandoned
caller-id-recorded = Recording
caller-id-backs = Call-backs
caller-id-complaints = Complaints
caller-id-signs = Signs
caller-id-not-judged = not judged: trunks of this machine
caller-id-declared = declared { $date }
caller-id-undeclared = not declared
caller-id-state-IN = in the pool
caller-id-state-OUT = out of the pool
caller-id-state-RETIRED = retired
span-hour = hour
span-day = day
span-week = week
sign-SHORT_TALKS = short talks
sign-NEW_NUMBERS = mostly new numbers
sign-SILENT = silent and abandoned
sign-RECORDED = recorded messages
sign-NO_CALL_BACK = cannot be called back
sign-COMPLAINTS = complaints
sign-ANSWERS_BELOW_POOL = answered less than others


## Announcements

hist-announcement = The network said: { $meaning }
event-announcement = The network's announcement
announcement-not_in_service = number not in service
announcement-switched_off = switched off or out of reach
announcement-forbidden = incoming calls barred
announcement-no_funds = no funds on the account
announcement-voicemail = voicemail
announcement-ringback = ringing, or a tune instead of it
announcement-ignored = not an announcement
announcement-unknown = not recognised
nav-announcements = Announcements
announcements-hint = What networks say before any answer. Name a new one once: every later call that hears it gets this meaning.
announcements-new = To be named
announcements-known = Library
announcements-none = Nothing waits for a name
announcements-none-hint = A new announcement appears here after the first call that heard it.
announcements-heard = { $n ->
    [one] heard on { $n } call
   *[other] heard on { $n } calls
 }
announcements-last = last { $at }
announcements-listen = Announcement { $id }, { $seconds } s
announcements-meaning = What does it say?
announcements-language = Language
announcements-carrier = Network
announcements-name = Save the name
announcements-by = named by { $by }
announcements-dead = Only “number not in service” speaks against a number: two such days and nobody calls it. When in doubt, choose another.
announcements-sound-gone = The sound is kept no more.


## Call-backs

calls-us-one = He is calling us. Introduce yourself and ask who is calling
calls-us-chosen = He is calling us, and you chose the person. Check who it is
caller-calls-us = Calls us
caller-unknown = Unknown caller
caller-none = Nobody has this number. Introduce yourself, ask who is calling, then find the person
caller-several = { $n } borrowers have this number. Introduce yourself, ask who is calling and choose the person
caller-dialed = Dialed our number
caller-hidden = Until the person is chosen and confirmed, say nothing of a debt. No data has come to the browser yet.
caller-who = Who is calling
caller-step = First choose the person, then check the identity
caller-with-number = Borrowers with this number
caller-last-try = last called { $date }
caller-more = and { $n } more: search by name
caller-search = Find the person
caller-search-hint = name, contract, phone or case number
caller-search-why = Searching and choosing are noted in the journal
caller-find = Find
caller-not-found = Nobody found. Ask again for the name or the contract number
caller-more-results = The other results come once the person is chosen
caller-back = It is somebody else
caller-number-not-his = not among the person’s numbers
caller-number-offer = The person calls from { $number }, which is not among their numbers
caller-number-add = Add the number
caller-number-added = Number added
script-caller = Good day! { $bank }, my name is { $agent }. May I have your full name, please?
input-outcome-CALLER_NOT_CHOSEN = Choose the person first: this result is about a borrower
error-CALLER_NOT_CHOSEN = Nobody has been chosen as the caller
remedy-CALLER_NOT_CHOSEN = Choose the person on the card, or find them by the search.
error-CALLER_CONFIRMED = The identity is confirmed already
remedy-CALLER_CONFIRMED = The call stays with this person. If it is somebody else, say so in the result.
hist-call-in = Call from the borrower: { $result }
unknown-callers = Unknown numbers that called us
number-withheld = withheld number
result-MISSED = Nobody took it

## The agent's line

line-test = Check my line
line-test-first = Check your line before you go ready: F2 or the button
line-test-calling = Connecting your phone for the test
line-test-speak = Say a few words: you should hear yourself
line-test-heard = You are heard. Do you hear yourself?
line-test-hint = If you hear yourself, confirm. If not, check headset and microphone.
line-test-yes = I hear myself
bar-line-died = A call came and your line broke: the next agent has it. Your phone is being called again.
bar-line-busy = A call came and your line was busy: the next agent has it. Go ready when you are free.
pause-LINE_DIED = Line broke
pause-LINE_BUSY = Line busy
pause-LINE_CHECK = Line test
bad-phones = Bad sound on phones: { $n }
phones-title = Sound of phones
phones-hint = worst of 30 min
line-sound = loss { $loss } %, jitter { $jitter } ms
line-short = { $loss } % · { $jitter } ms
one-way-FROM_PHONE = nothing comes from the phone
one-way-FROM_BORROWER = nothing comes from the borrower
error-LINE_NOT_CHECKED = Your line has not been tested this shift
remedy-LINE_NOT_CHECKED = Press “Check my line” and say a few words.
error-LINE_NOT_UP = Your phone is not connected
remedy-LINE_NOT_UP = Press “Check my line”: it is called again.
error-LINE_SILENT = Nothing is heard from your phone
remedy-LINE_SILENT = Check the microphone, say a few words and confirm again.

## Lists and prompts

notice-given = Recording warned of: { $how }, { $time }
notice-by-script = by script
notice-by-prompt = spoken to both
notice-is-spoken = The system says it as the voices meet
notice-said = Recording is told
script-recorded = This call is recorded.
notice-none = not warned of the recording
no-prompts-title = Not dialing: messages are missing
no-prompts-do = { $names } · give a text or a recording, then backoffice prompts make
late-list-title = The list has not come: { $names }
late-list-do = its borrowers are not called today until the list is accepted
rule-NO_FILE = Today's list is not here yet
rule-NOT_IN_FILE = The list left the contract out, nobody explained why
rule-DPD_0 = Nothing overdue
rule-NO_DISPOSITION = Talk without a result
rule-DISPUTE = Dispute
rule-EVIDENCE = Evidence is awaited
rule-STOP_REQUEST = Asked not to be called
rule-SPECIALIST = With a specialist
rule-CHECK_POSTING = The posting is being checked
rule-CALLBACK = A call back was promised

## Polish

bar-more = +30 s
bar-more-title = 30 more seconds for the result, once a call
search-title = Search: “{ $q }”
search-none = Nothing found
search-none-hint = Give a case number, a contract, a phone in any writing, or a surname and name. Check what was typed.
search-many = The first { $n } are shown: say more.
case-no-result = Talk without a result: nobody calls
fast-title = Result in under { $seconds } s
fast-today = today
fast-of = { $fast } of { $all }
alarms = Alarms
alarms-more = { $n ->
    [one] { $n } more alarm
   *[other] { $n } more alarms
 }

## Errors

error-SERVER = Something broke
remedy-SERVER = Try again; if it repeats, tell a supervisor the time and this page.
error-DATABASE_AWAY = The database does not answer
remedy-DATABASE_AWAY = Talks go on. Try in a minute; dialing can be stopped by the file STOP or by backoffice stop.
error-NOT_FOUND = There is no such thing, or it is not yours
remedy-NOT_FOUND = Check the number; a case without a talk of yours is opened by a supervisor.
error-NOT_ALLOWED = Your role does not allow this
remedy-NOT_ALLOWED = Ask a supervisor.
error-FOREIGN_REQUEST = The request did not come from this page
remedy-FOREIGN_REQUEST = Reload the page and repeat.
error-LOGIN_NEEDED = Log in first
remedy-LOGIN_NEEDED = A session lasts 12 hours.
error-BAD_REQUEST = This request is not accepted
remedy-BAD_REQUEST = Go back and repeat.
error-BAD_INPUT = Something is not given right
remedy-BAD_INPUT = Check the field and repeat.
error-CONFLICT = The state has changed meanwhile
remedy-CONFLICT = Look again and repeat.
error-NO_DISPOSITION = The last call has no result yet
remedy-NO_DISPOSITION = Choose the result and save it.
error-IN_CALL = A call is going on
remedy-IN_CALL = End it and save its result.
error-NO_SESSION = You have not taken a seat
remedy-NO_SESSION = Open the desk and go ready.
error-NO_PHONE = You have no extension
remedy-NO_PHONE = Ask an administrator.
error-EXCHANGE_AWAY = Telephony does not answer
remedy-EXCHANGE_AWAY = Hang up on the phone itself; the result can be saved.
error-PBX_LINK_DOWN = Telephony does not answer
remedy-PBX_LINK_DOWN = Try in some seconds.
error-PBX_ACTION_UNKNOWN = Telephony did not confirm
remedy-PBX_ACTION_UNKNOWN = See whether the call goes on, and repeat.
error-PBX_ACTION_REFUSED = Telephony refused
remedy-PBX_ACTION_REFUSED = Call an administrator.
error-IDENTITY_LOCKED = The identity check is closed
remedy-IDENTITY_LOCKED = Three answers did not match; say nothing of the debt.
error-OUTCOME_NEEDS_CONFIRMATION = Confirm the identity first
remedy-OUTCOME_NEEDS_CONFIRMATION = Or choose a result without a right-party contact.

# Why a cell of a list is no number
phone-refused-EMPTY = The cell is empty: ask the branch for the number.
phone-refused-PLACEHOLDER = “{ $piece }” stands for no number: leave the cell empty, or ask the branch for the number.
phone-refused-EXCEL = Excel has cut the digits of “{ $piece }”: format the column as text and export the list again.
phone-refused-SHORT = “{ $piece }” is too short for a subscriber's number: write it whole, with its code.
phone-refused-NO_AREA_CODE = “{ $piece }” is a local number: add its area code, or give the branch's area code with the list.
phone-refused-LETTERS = Letters stand among the digits of “{ $piece }”: correct the number in the bank's system.
phone-refused-WORDS = “{ $piece }” holds no number: ask the branch for it.
phone-refused-PREMIUM = “{ $piece }” is a line with a surcharge, nobody lives there: ask the branch for the borrower's number.
phone-refused-IMPOSSIBLE = No such number as “{ $piece }” can exist ({ $country }): check its digits, and write a foreign one with “+”.
