# The texts of the pages in English, in the syntax of Fluent (projectfluent.org). A test checks that the other files in this directory
# have the same messages with the same variables. A new file adds a language; the name of the file is the language's tag.

## Every page

language = English
title = Health record copies
skip-to-main = Skip to the main part
sign-out = Sign out
help = Help
format = What is in a copy
version = Version { $version }
back = Back
home = Start page
error-title = Error: { $title }
problem = There is a problem

## Dates and numbers

month-1 = January
month-2 = February
month-3 = March
month-4 = April
month-5 = May
month-6 = June
month-7 = July
month-8 = August
month-9 = September
month-10 = October
month-11 = November
month-12 = December
date = { $month } { $day }, { $year }
year-and-month = { $month } { $year }
date-and-time = { $date }, { $time }
# The order of the date fields: `month-first` or `day-first`.
date-order = month-first
# The separator between thousands.
thousands = ,
# The direction of the script: ltr, or rtl for right to left.
direction = ltr
size-bytes = { $count ->
    [one] 1 byte
   *[other] { $count } bytes
}
size-kilobytes = { $count } kB
size-megabytes = { $count } MB
size-gigabytes = { $count } GB

## Errors

error-401 = Please sign in
error-401-do = You are not signed in, or you were signed out. Sign in and try again.
error-403 = You may not see this
error-403-do = This page is for somebody else. If you think that it should be yours, ask for help.
error-403-staff-do = Your account does not have the role that this needs. Ask an administrator for it.
error-origin = Nothing was changed
error-origin-do = Another website sent this, so we did not do it. If you want it, do it on our own pages.
error-404 = We cannot find this
error-404-do = It may be gone, or the address may be wrong. Check the address, or start again.
error-405 = This does not work here
error-405-do = The page was asked for in a way that it does not know. Go to the start page.
error-409 = This was changed by somebody else
error-409-do = Go back, load the page again, and look at what has changed.
error-413 = What you sent is too large
error-413-do = A form can have { $size } at most. Go back, make your text shorter, and send it again.
back-to-form = Back to the form
error-413-get = This is too large
error-413-get-do = It is too large to be sent at once. Go back, and choose a smaller part of it.
error-429 = Wait { $seconds ->
    [one] 1 second
   *[other] { $seconds } seconds
}, then try again
error-429-do = There were too many tries in a short time. Nothing is lost.
error-unkept-do = Your form was not saved. Go back to it in your browser, and send it again later.
error-exports = Too many copies are not ready yet
error-exports-do = Nothing is lost. Wait until one of these copies is ready, or cancel one. Then send this again. If you cancel none, try again in { $time }.
wait-seconds = { $seconds ->
    [one] 1 second
   *[other] { $seconds } seconds
}
wait-minutes = { $minutes ->
    [one] 1 minute
   *[other] { $minutes } minutes
}
error-500 = Something broke here. Try again later.
error-500-do = It was not your fault, and we can see it in our log. If it goes on, ask for help and tell us the request number.
error-503 = This is not available now. Try again later.
error-other = This did not work
error-other-do = Go back and check what you sent, or start again.
error-app = Please start again in your app
error-app-do = This page is too old, or it was used before. Go back to the app and start again there.
error-app-wrong = This app cannot ask for access here
error-app-wrong-do = The app is not registered with us, or there is a mistake in its request. We have shared nothing. Go back to the app, and tell the people who make it.
error-details = Details
error-in-english = Details (in English)
request-number = Request number: { $number }

## Landing

landing-title = Get a copy of your health record
landing-lead = Your record is yours. You can ask for a copy at any time.
landing-choose = Choose. Ask for a copy, and tick the parts that you want.
landing-check = We check. Our staff make sure that the copy goes to the right person.
landing-get = You get it. Download the copy here when it is ready, or let your app load it.
landing-get-app = You get it. Your app loads the copy when it is ready.
landing-patient = For patients
landing-patient-do = Sign in here, or start in the health app that you use.
landing-patient-do-app = Start in the health app that you use.
landing-staff = For staff
landing-staff-do = See the copies that people asked for, and check them.
landing-developers = For developers
landing-developers-do = Connect an app or a service to this server.
landing-base = FHIR base
landing-discovery = Discovery
landing-kick-off = Kick-off
landing-sandbox = This is a sandbox: patients are picked instead of signing in. Put /auto-approve before the FHIR base to skip the review and /no-form to skip the form.

## Signing in

sign-in = Sign in
sign-in-title = Sign in to your record
sign-in-app = { $app } sent you here.
user-name = User name
password = Password
sign-in-wrong = Name or password is wrong. Try again.
sign-in-locked = There were too many tries. Wait { $seconds ->
    [one] 1 second
   *[other] { $seconds } seconds
}, then try again.
sign-in-again = We signed you out to keep you safe. Your choices are saved.
sign-in-or-form = Sign in, or open the form again from your app.
go-on-title = Go on in your app
go-on-form = Nobody can sign in on this page. Open the form again from your app.
go-on-app = Patients do not sign in on this page. Go back to the app in which you asked for your record.
pick-title = Who are you?
pick-lead = This is a sandbox: pick any patient.
pick-from = Patient id
pick-show = Show from here
pick-more = More patients
pick-none = There are no patients here.
pick-wrong = There is no such patient.
staff-sign-in = Staff sign-in
staff-signed-out = You were signed out before this arrived, and nothing was changed. Sign in: the page is shown again.
staff-signed-out-kept = You were signed out before this arrived, and nothing was changed. Sign in: the page is shown again, with what you typed.
staff-signed-out-files = You were signed out before this arrived, and nothing was attached. Sign in, and choose the files again.
staff-session-warning = We sign you out in 2 minutes. To go on, press the button: what you typed stays.
staff-kept = You were signed out meanwhile. This is what you typed. Nothing was changed: check it, then press the button.

## Permission for an app

consent-title = { $app } asks for your health record
consent-you = You are { $name }.
consent-not-you = Not you?
consent-may = If you allow it, { $app } may:
consent-goes = { $app } is not part of { $org }. What you allow goes to { $host }.
allow = Allow
do-not-allow = Do not allow
scope-identity = Know who you are
scope-record = Know whose record this is
scope-read-all = Read your health record
scope-read = Read your { $type }
scope-read-all-part = Read a part of your health record: only { $limit }
scope-read-part = Read a part of your { $type }: only { $limit }
scope-tagged = See only what has the label { $label }
scope-export = Get a copy of your record; you choose the parts
scope-online = Do this while you are signed in
scope-offline = Do this later too, until you stop it in "Apps with access"
scope-unknown = Something else: { $scope }
type-Account = accounts for bills
type-AdverseEvent = things that went wrong in care
type-AllergyIntolerance = allergies
type-Appointment = appointments
type-AppointmentResponse = answers about appointments
type-AuditEvent = list of who used your record
type-Basic = notes of other kinds
type-Binary = documents
type-BodyStructure = notes on parts of the body
type-CarePlan = care plans
type-CareTeam = care team
type-ChargeItem = charges
type-Claim = bills
type-ClaimResponse = answers to bills
type-ClinicalImpression = medical opinions
type-Communication = messages
type-CommunicationRequest = messages to send
type-Composition = written reports
type-Condition = illnesses
type-Consent = permissions
type-Contract = contracts
type-Coverage = insurance
type-CoverageEligibilityRequest = questions to the insurance
type-CoverageEligibilityResponse = answers from the insurance
type-DetectedIssue = warnings about care
type-Device = devices
type-DeviceRequest = orders for devices
type-DeviceUseStatement = use of devices
type-DiagnosticReport = test reports
type-DocumentManifest = lists of documents
type-DocumentReference = letters and documents
type-Encounter = visits
type-EnrollmentRequest = requests to join an insurance
type-EpisodeOfCare = periods of care
type-ExplanationOfBenefit = insurance payments
type-FamilyMemberHistory = notes on illnesses in the family
type-Flag = alerts
type-Goal = goals
type-Group = groups of people
type-GuidanceResponse = advice on care
type-HealthcareService = health services
type-ImagingStudy = scans and X-rays
type-Immunization = shots
type-ImmunizationEvaluation = checks of shots
type-ImmunizationRecommendation = shots to get
type-InsurancePlan = insurance plans
type-Invoice = bills to pay
type-List = lists
type-Location = places of care
type-MeasureReport = reports on quality
type-Media = photos and recordings
type-Medication = list of medicines
type-MedicationAdministration = notes on medicines given in care
type-MedicationDispense = medicines from the pharmacy
type-MedicationRequest = prescriptions
type-MedicationStatement = medicines in use
type-MolecularSequence = gene data
type-NutritionOrder = diets
type-Observation = test results and measures
type-Organization = hospitals and offices
type-Patient = name and address
type-Person = personal details
type-Practitioner = doctors and nurses
type-PractitionerRole = list of jobs of doctors and nurses
type-Procedure = treatments
type-Provenance = notes on where entries come from
type-Questionnaire = forms with questions
type-QuestionnaireResponse = answers to questions
type-RelatedPerson = family and contacts
type-RequestGroup = groups of orders
type-ResearchSubject = part in studies
type-RiskAssessment = health risks
type-Schedule = schedules
type-ServiceRequest = orders for tests and care
type-Specimen = samples for tests
type-Substance = list of substances
type-SupplyDelivery = supplies that came
type-SupplyRequest = orders for supplies
type-Task = tasks
type-VisionPrescription = prescriptions for glasses and contact lenses
type-other = other entries ({ $type })
limit-activity = movement and exercise
limit-cardiology = heart tests
limit-clinical-note = notes of your care team
limit-clinical-test = other medical tests
limit-cognitive-status = memory and thinking
limit-disability-status = disabilities
limit-encounter-diagnosis = what was found at visits
limit-exam = what was found in exams
limit-functional-status = what you can do by yourself
limit-health-concern = health concerns
limit-imaging = scans and X-rays
limit-laboratory = lab tests
limit-other = what matches { $search }
limit-pathology = tissue reports
limit-problem-list-item = your list of health problems
limit-procedure = results of treatments
limit-sdoh = needs such as food and a home
limit-social-history = habits and way of life
limit-survey = answers to questions
limit-therapy = results of therapy
limit-vital-signs = measures like blood pressure

## The patient's own pages

my-navigation = Your pages
my-copies = My copies
my-apps = Apps with access
my-ask = Ask for a copy
my-ask-again = Ask for a copy again
my-none = You have no copies yet.
my-older = Older copies
my-all = All my copies
my-copy-of = Copy of { $date }
my-asked-here = You asked for it here on { $date }.
my-asked-staff = Our staff started it for you on { $date }.
my-asked-staff-for = Our staff started it on { $date }. Who gets it, in their words: “{ $receiver }”
my-asked-app = You asked for it in { $app } on { $date }.
my-asked-other = The app { $app } of { $issuer } asked for it on { $date }. The copy is for that app: you cannot download it here, and you can end it.
receiver-you = you
my-said-sent = We have your request. You can close this page.
my-said-already = You sent this already.
my-said-cancelled = The copy is cancelled.
my-said-deleted = The copy is deleted.
my-said-taken-back = Your permission is taken back. The copy is cancelled, and its files are removed.
my-said-stopped = The app has no access any more.
my-next-awaiting-input = Choose what you want in your copy.
my-next-queued = We collect the parts that you ticked. You need not do anything.
my-next-running = We collect the parts that you ticked. You need not do anything.
my-next-collecting = We collect what was asked for. You need not do anything.
my-next-in-review = Our staff check the copy. You need not do anything.
my-next-complete = It is here until { $date }.
my-next-failed = Please ask for the copy again.
my-next-cancelled = You can ask for a copy again.
my-next-other-awaiting-input = It waits for the choices on the form.
my-next-other-complete = That app can load it until { $date }.
my-next-other-rejected = Our staff did not release it.
my-next-other-failed = It could not be made.
my-next-other-cancelled = That app cannot load it any more.
my-next-other-expired = Its files are removed.
my-next-restorable = Our staff deleted this copy. They can bring it back until { $date }, unless you delete it for good.
my-next-expired = Its files are removed. You can ask for a copy again.
my-choose = Choose what you want
my-update-by-itself = Update by itself
my-updates = This page updates by itself.
my-stop-updates = Stop
my-chosen = What was chosen
my-chosen-all = Everything in your record.
my-no-topics = None of them
my-contents = What is in it
my-what = What
my-count = How many
my-left-out = What we left out and why
my-account = We read { $read ->
    [one] 1 entry
   *[other] { $read } entries
} and { $found ->
    [one] 1 document
   *[other] { $found } documents
} of your record. The copy has { $written ->
    [one] 1 entry
   *[other] { $written } entries
} and { $documents ->
    [one] 1 document
   *[other] { $documents } documents
}.
my-nothing-left-out = We left out nothing.
my-why = Why
my-entries = Entries
my-documents = Documents
my-why-topic = Private topic that you did not tick: { $topic }
my-why-topic-staff = Private topic that was not chosen: { $topic }
my-why-type = This kind was not asked for
my-why-since = It is older than what was asked for
my-why-until = It is newer than what was asked for
my-why-filter = It was not asked for
my-why-formGroup = You did not tick this part
my-why-formGroup-staff = This part was not chosen
my-why-dateRange = It is outside the dates that you chose
my-why-dateRange-staff = It is outside the dates that were chosen
my-why-tag = It is marked as not for this app
my-why-scope = It is not for this app
my-why-deleted = It was deleted
my-why-provenance = It says where other entries come from, and was not asked for
my-why-document = It belongs to an entry that is not in the copy
my-why-unreferenced = Nothing in the copy refers to it
my-why-staff = Our staff left it out. Why: { $reasons }
my-quoted = “{ $text }”
my-why-duplicates = It is there twice
my-why-problems = We could not read it
my-cancel = Cancel this copy
my-cancel-title = Cancel this copy?
my-cancel-lead = We stop collecting it and remove what we have collected. You can ask for a copy again at any time.
my-cancel-yes = Yes, cancel it
my-delete = Delete this copy
my-delete-title = Delete this copy?
my-delete-lead = We remove its files from our server. What you or an app have downloaded stays where it is.
my-delete-yes = Yes, delete it
my-take-back = Take back my permission
my-take-back-title = Take back your permission?
my-take-back-lead = You allowed us to put private topics into this copy. If you take that back, the copy is cancelled and its files are removed. What was sent stays sent.
my-take-back-lead-app = The app chose private topics for this copy, and told us that you allow them. If you take that back, the copy is cancelled and its files are removed. What was sent stays sent.
my-take-back-yes = Yes, take it back
my-keep = No, go back
my-no-apps = No app has access to your record.
my-apps-lead = You have let these apps see your record.
my-app-since = Since { $date }
my-app-used = Last used on { $date }
my-app-may = It may:
my-stop = Stop access
my-stop-title = Stop the access of { $app }?
my-stop-lead = { $app } cannot see your record any more. It keeps what it has already.
my-sign-out = Sign out everywhere
my-sign-out-hint = Ends your session in every browser where you are signed in.
my-sign-out-title = Sign out everywhere?
my-sign-out-lead = You are signed out here and in every other browser. Apps keep their access.
my-download-all = Download all (ZIP, about { $size })
my-download-title = Download
my-download-hint = The ZIP has a page that you can read, all files, and what a program needs to check them.
my-zip-hint = The ZIP of a large copy is prepared first. This takes some minutes.
my-zip-title = The ZIP of your copy of { $date }
my-zip-state-none = Not prepared yet
my-zip-state-preparing = Being prepared
my-zip-state-stale = Late
my-zip-state-ready = Ready
my-zip-state-failed = Something broke
my-zip-next-none = We prepare the ZIP when you ask for it.
my-zip-next-preparing = We are preparing the ZIP. You may leave this page and come back later.
my-zip-next-stale = The ZIP is late. You can ask for it again. We continue where we stopped.
my-zip-next-ready = You can download the ZIP. It is deleted together with the copy.
my-zip-next-failed = We could not prepare the ZIP. Try again, or download the files one by one.
my-zip-ask = Prepare the ZIP
my-zip-ask-again = Prepare the ZIP again
my-zip-download = Download the ZIP
my-zip-single = Download the files one by one
my-zip-back = Back to the copy
my-single-files = Single files
my-files-listed = Files { $from } to { $to } of { $count }
my-files-first = First files
my-files-next = More files
notice-part-2 = 42 CFR part 2 prohibits unauthorized use or disclosure of these records.
zip-lead = This page shows the most important things. The files have everything. Nothing on this page is sent anywhere.
zip-days = Dates
zip-date = Date
zip-what = What
zip-value = Value or status
zip-id = Number
zip-all = { $count } in all.
zip-first = The first { $most } of { $count }; the files have all.
zip-attachments = Documents and pictures
zip-more-attachments = The folder "attachments" has more.
zip-file-name = health-record-{ $date }
zip-readme-index = index.html: open it in a browser to read your record. It needs no internet.
zip-readme-data = data: your record as FHIR R4 (hl7.org/fhir/R4), in files of the kind NDJSON. Each line is one entry, in JSON. Programs and other hospitals can read it.
zip-readme-attachments = attachments: letters, scans and other documents. An entry names a document by an address. The name of the file here is what follows the last "/" of the address, without a "?" and what is after it.
zip-readme-manifest = manifest.json: the list of the files, how many entries each has, and an account of what was left out and why.
zip-readme-sums = SHA256SUMS: the hashes of all files. "sha256sum -c SHA256SUMS" tells whether a file was changed.
zip-readme-address = The addresses in the entries are those of the server that made this copy. They may not work any more. Until the copy is deleted there, an address with "?key=" opens its document for everybody who has the address.
zip-readme-safe = Keep this copy in a safe place. Whoever has it can read your record.
zip-readme-format = More on the format: { $url }
gone-title = No longer here
gone-lead = This copy is no longer here, or it belongs to another person.
sign-in-other = Sign in as another person
kind-Account = Accounts for bills
kind-AdverseEvent = Things that went wrong in care
kind-AllergyIntolerance = Allergies
kind-Appointment = Appointments
kind-AppointmentResponse = Answers about appointments
kind-AuditEvent = Who used the record
kind-Basic = Notes of other kinds
kind-Binary = Documents
kind-BodyStructure = Parts of the body
kind-CarePlan = Care plans
kind-CareTeam = Care teams
kind-ChargeItem = Charges
kind-Claim = Bills
kind-ClaimResponse = Answers to bills
kind-ClinicalImpression = Medical opinions
kind-Communication = Messages
kind-CommunicationRequest = Messages to send
kind-Composition = Written reports
kind-Condition = Illnesses
kind-Consent = Permissions
kind-Contract = Contracts
kind-Coverage = Insurance
kind-CoverageEligibilityRequest = Questions to the insurance
kind-CoverageEligibilityResponse = Answers from the insurance
kind-DetectedIssue = Warnings about care
kind-Device = Devices
kind-DeviceRequest = Orders for devices
kind-DeviceUseStatement = Use of devices
kind-DiagnosticReport = Test reports
kind-DocumentManifest = Lists of documents
kind-DocumentReference = Letters and documents
kind-Encounter = Visits
kind-EnrollmentRequest = Requests to join an insurance
kind-EpisodeOfCare = Periods of care
kind-ExplanationOfBenefit = What insurance paid
kind-FamilyMemberHistory = Illnesses in the family
kind-Flag = Alerts
kind-Goal = Goals
kind-Group = Groups of people
kind-GuidanceResponse = Advice on care
kind-HealthcareService = Health services
kind-ImagingStudy = Scans and X-rays
kind-Immunization = Shots
kind-ImmunizationEvaluation = Checks of shots
kind-ImmunizationRecommendation = Shots to get
kind-InsurancePlan = Insurance plans
kind-Invoice = Bills to pay
kind-List = Lists
kind-Location = Places of care
kind-MeasureReport = Reports on quality
kind-Media = Photos and recordings
kind-Medication = Medicines
kind-MedicationAdministration = Medicines given in care
kind-MedicationDispense = Medicines from the pharmacy
kind-MedicationRequest = Prescriptions
kind-MedicationStatement = Medicines in use
kind-MolecularSequence = Gene data
kind-NutritionOrder = Diets
kind-Observation = Test results and measures
kind-Organization = Hospitals and offices
kind-Patient = Name and address
kind-Person = Personal details
kind-Practitioner = Doctors and nurses
kind-PractitionerRole = Jobs of doctors and nurses
kind-Procedure = Treatments
kind-Provenance = Where entries come from
kind-Questionnaire = Forms with questions
kind-QuestionnaireResponse = Answers to questions
kind-RelatedPerson = Family and contacts
kind-RequestGroup = Groups of orders
kind-ResearchSubject = Part in studies
kind-RiskAssessment = Health risks
kind-Schedule = Schedules
kind-ServiceRequest = Orders for tests and care
kind-Specimen = Samples for tests
kind-Substance = Substances
kind-SupplyDelivery = Supplies that came
kind-SupplyRequest = Orders for supplies
kind-Task = Tasks
kind-VisionPrescription = Glasses and contact lenses
kind-other = Other entries

## The form, step 1

step = Step { $step } of { $steps }
parts-title = What do you want in your copy?
parts-for = This copy is about { $name }.
parts-lead = Tick each part that you want.
parts-always = Always in it: your name, care team, and checks like blood pressure.
tick-all = Tick all
clear-all = Clear all
dates-and-note = Dates and note
of-part = for { $part }
from = From
to = To
month = Month
day = Day
year = Year
dates-hint = A year alone is enough. No dates: all times.
note = Note
note-hint = Our staff read this note. At most { $limit } letters.
note-hint-unread = No staff read this note before you get the copy, so it leaves nothing out. At most { $limit } letters.
continue = Continue
save-for-later = Save for later
part-visits = Visits and treatments
part-visits-hint = When you came, and what was done.
part-labs = Lab tests
part-labs-hint = Blood, urine and other tests.
part-billing = Bills and insurance
part-billing-hint = What we charged and who paid.
part-medicalRecord = Illnesses, medicines and the rest
part-medicalRecord-hint = Also allergies, shots, plans.
part-dischargeSummary = Hospital letters
part-dischargeSummary-hint = Written when you left.
part-operative = Surgery notes
part-operative-hint = How an operation went.
part-pathology = Tissue reports
part-pathology-hint = What was seen in cells taken from you.
part-radiology = Scans and X-rays
part-radiology-hint = Pictures of the inside of your body.
part-photographs = Photos
part-photographs-hint = Taken for your care.
part-other = Other papers
part-other-hint = Any other paper in your file.

## The form, step 2

topics-title = Private topics
topics-lead = We leave a topic out unless you tick it. Notes and letters may still name it.
topic-hiv = HIV
topic-hiv-hint = Tests and care.
topic-alcoholAndDrug = Alcohol and drugs
topic-alcoholAndDrug-hint = Care for drinking or drug use.
topic-mentalHealth = Mental health
topic-mentalHealth-hint = Care for mood, thoughts or behavior.
topic-confidential = Marked private
topic-confidential-hint = By your care team.
topic-domesticViolence = Violence at home
topic-domesticViolence-hint = Being hurt by family or a partner.
topic-sexualAssault = Sexual assault
topic-sexualAssault-hint = Care after unwanted sex acts.
topic-genetic = Genetic tests
topic-genetic-hint = Tests of your genes.
topic-other = Other private topics
topic-other-hint = Such as sexual health.
topic-box = Which ones? Our staff read this. Empty means all.
topic-box-unread = Which ones? No staff read this before you get the copy, so the whole topic is in it.
topic-box-of = { $topic }: which ones?

## The form, step 3

check-title = Check before you send
check-parts = What you want
check-note = Note
check-all-times = All times
check-from = From { $from }
check-to = Until { $to }
check-from-to = { $from } to { $to }
check-left-out = Left out
check-in = In the copy
check-topics = Private topics
check-which = Which: { $text }
change = Change
change-parts = what you want
change-topics = the private topics
permission-title = Your permission
permission = You let { $org } give { $receiver } the topics you ticked, because you ask. This ends on { $date }. You can take it back before; what was sent stays sent.
agree = I am { $name }, or may act for { $name }. I agree.
send = Send my request

## Mistakes in the form

none-chosen = Choose at least one part.
not-a-date = { $part }: this is not a real date.
wrong-order = { $part }: "From" is after "To".
note-too-long = { $part }: make the note { $count ->
    [one] 1 letter
   *[other] { $count } letters
} shorter.
text-without-tick = Tick "{ $topic }" or clear its box.
text-too-long = { $topic }: make the text { $count ->
    [one] 1 letter
   *[other] { $count } letters
} shorter.
agree-missing = Tick the box to agree.
two-tabs = You changed this in another tab. Check it.

## The session of the form

session-ends = We sign you out after { $minutes ->
    [one] 1 minute
   *[other] { $minutes } minutes
} without a click.
session-warning = We sign you out in 2 minutes. We keep your choices for when you sign in again.
stay-signed-in = Stay signed in
saved-title = Your choices are saved
saved-lead = Come back by { $date }. Use the same link in your app, or sign in here.
saved-lead-link = Come back by { $date }. Use the same link in your app.
saved-go-on = Go on now

## After sending

sent-title = We have your request
sent-number = Your number: { $job }
sent-next = What happens next
sent-collect = We collect the parts that you ticked.
sent-check = Our staff check the copy. They may ask you a question.
sent-get = You get the copy by { $date }, most often much sooner. Your app loads it by itself.
sent-close = You can close this page.
sent-state = See how it is going
sent-already = You sent this already.
state-title = Your copy
state-asked = Asked for on { $date }
state-awaiting-input = Waiting for you
state-queued = Collecting
state-running = Collecting
state-in-review = Being checked
state-complete = Ready
state-rejected = Not sent
state-failed = Something broke
state-cancelled = Cancelled
state-expired = No longer here
state-download = Download the copy
next-queued = We collect the parts that you ticked. You need not do anything.
next-running = We collect the parts that you ticked. You need not do anything.
next-in-review = Our staff check the copy. You need not do anything.
next-complete = Open your app. It loads the copy by itself. You can also download it on your own pages here.
next-complete-app = Open your app. It loads the copy by itself.
next-failed = Please ask for the copy again, in your app or here.
next-failed-app = Please ask for the copy again in your app.
next-cancelled = You can ask for a copy again, in your app or here.
next-cancelled-app = You can ask for a copy again in your app.
next-expired = Its files are removed. You can ask for a copy again, in your app or here.
next-expired-app = Its files are removed. You can ask for a copy again in your app.
rejected-why = We did not send this copy. Why: { $reason }
rejected-no-reason = No reason was given.
rejected-next = You can ask again, or complain at hhs.gov/ocr.
rejected-next-office = You can ask again, or complain to { $office } or at hhs.gov/ocr.
rejected-next-look = You can ask again, ask for a second look by another clinician, or complain at hhs.gov/ocr.
rejected-next-look-office = You can ask again, ask for a second look by another clinician, or complain to { $office } or at hhs.gov/ocr.
update = Update
this-organization = this organization

## What is in a copy

format-lead = This page says what a copy of a health record holds, and how computer programs can read it. It is for patients, for whoever they give a copy to, and for developers.
format-files = The files
format-files-do = A copy is a set of text files in the standard format of health records, FHIR R4 (version 4.0.1). There is one file, or several, for each type of information, such as Observation for test results. Each line of a file is one resource in JSON (NDJSON, UTF-8, lines end with a line feed). Lines are copied from the record as they are; only addresses of documents are changed, so that they lead to the document in the copy.
format-documents = Letters, pictures and other documents of the record are files of their own, in the format in which the record has them. A DocumentReference, Media or DiagnosticReport names each of them, with its size in bytes and its SHA-1 hash in base64 (Attachment.size, Attachment.hash).
format-links = The standards:
format-manifest = The manifest
format-manifest-do = The manifest is a JSON document that lists all files of a copy. Which members it has depends on the request and on the app. A dot in a name means: a member of that object, or of each object in that list.
manifest-transactionTime = The copy has what the record had at this time (an instant with time zone).
manifest-request = The address of the request that started the copy.
manifest-requiresAccessToken = Whether a file can only be loaded with an access token.
manifest-output = The files of the copy.
manifest-deleted = Files that list what was deleted from the record. Only copies of changes have them.
manifest-error = Files with OperationOutcome resources: each says what could not be copied, and why.
manifest-errors = The same files as in error, for apps that read this name.
manifest-outcome = The same files as in error, in version 4 of Bulk Data, which has no error.
manifest-outputFormat = The media type of the files, in version 4 of Bulk Data.
manifest-manifestType = The kind of the manifest, in version 4 of Bulk Data.
manifest-outputOrganizedBy = The files of the copy have a block for each patient (see below).
manifest-link = If the manifest has several pages: where the next page is. The last page does not have this member.
manifest-link-relation = What is at the address: next, the next page.
manifest-link-url = The address of the next page.
manifest-extension = More about the whole copy (see below).
manifest-status = The state of an export that still runs, or that has failed.
manifest-progress = How much of an export that still runs is done, in percent.
manifest-totalResources = How many resources an export that still runs has written.
manifest-waiting = A text that says since when an export that still runs waits for a store, and which one.
format-manifest-file = Each file in the manifest
format-manifest-file-do = The lists output, deleted, error, errors and outcome have these members for each file:
manifest-file-type = The resource type of all lines of the file. A file with blocks does not have it.
manifest-file-url = The address of the file.
manifest-file-count = The number of resources in the file, which is the number of its lines without the headers of blocks.
manifest-file-fileSize = The size of the file in bytes, in version 4 of Bulk Data.
manifest-file-extension = More about the file. In version 4 of Bulk Data it is a list of FHIR extensions, and one of them, https://schema.org/sha256, has the hash.
manifest-file-extension-sha256 = The SHA-256 hash of the file, in hexadecimal digits.
manifest-file-extension-size = The size of the file in bytes.
format-manifest-extension = The extension of the manifest
format-manifest-extension-do = The extension of the manifest has these members. In version 4 of Bulk Data it is a list of FHIR extensions, and the url of each is one of these names.
manifest-extension-metadata = The address of the state, the choices and the history of the export.
manifest-extension-ehiDocumentationUrl = The address of this page.
manifest-extension-notice = The notice of 42 CFR 2.32, if the copy may have records about alcohol or drugs.
manifest-extension-ledger = The account of the record: what happened to each resource that was read (see below).
format-manifest-ledger = The account of the record
format-manifest-ledger-do = The ledger counts everything that was read. These sums hold in every copy: of the resources, read is the sum of written, leftOut, withheld, duplicates and problems; of the documents, found is the sum of written, leftOut, withheld and problems; of the patients, planned is the sum of exported, absent and failed.
manifest-ledger-patients = The patients of the export.
manifest-ledger-patients-planned = Patients that the export has to copy.
manifest-ledger-patients-exported = Patients whose whole record was read.
manifest-ledger-patients-absent = Patients who have no record here.
manifest-ledger-patients-failed = Patients whose record could be read only in part. The error files say what is missing.
manifest-ledger-resources = The resources of the export.
manifest-ledger-resources-read = Resources that were read. A line that is not a resource counts as well.
manifest-ledger-resources-written = Of these, the resources that are in the copy, as a line or as a document.
manifest-ledger-resources-attachments = Of the written resources, those that are in the copy as a document (Binary).
manifest-ledger-resources-leftOut = Resources that were left out, counted for each reason (see below).
manifest-ledger-resources-withheld = Resources of private topics that were withheld, counted for each topic (see below).
manifest-ledger-resources-duplicates = Resources that are not in the copy because the record or the shared resources have a more recent version of them.
manifest-ledger-resources-problems = Resources that could not be used. The error files say why.
manifest-ledger-resources-made = Resources in the copy that the export made itself. They were not read.
manifest-ledger-documents = The documents of the record that are files of their own.
manifest-ledger-documents-found = Documents that were found.
manifest-ledger-documents-written = Documents that are in the copy.
manifest-ledger-documents-leftOut = Documents that were left out, counted for each reason (see below).
manifest-ledger-documents-withheld = Documents of private topics that were withheld, counted for each topic (see below).
manifest-ledger-documents-problems = Documents that could not be read.
manifest-ledger-problems = The problems of the export.
manifest-ledger-problems-reported = Problems that are in the error files.
manifest-ledger-problems-unlisted = Problems that are only counted here, because there were too many for the error files.
format-manifest-fhir = FHIR extensions in the manifest
format-manifest-fhir-do = In version 4 of Bulk Data, the extensions of the manifest and of its files are lists of objects with these members:
manifest-fhir-url = The name of the value in the object, such as ledger, patients or planned.
manifest-fhir-valueUrl = An address.
manifest-fhir-valueString = A text.
manifest-fhir-valueUnsignedInt = A number.
manifest-fhir-extension = More objects like this one. The account of the record has one for each object and number.
format-blocks = Blocks of patients
format-blocks-do = If the request has organizeOutputBy=Patient, the files of the copy have one block for each patient instead of one file for each type. A block begins with a header, a Parameters resource whose parameter “header” refers to the patient (valueReference). The Patient follows, then all other resources of this patient, of any type. A block is never split between files. Resources that belong to no patient are in files of their own, without blocks.
format-hashes = How to check a copy
format-hashes-do = Compute the SHA-256 hash of each file and compare it with the manifest. Hash and size are those of the file before any compression for the transfer.
format-zip = The ZIP of a patient’s pages
format-zip-do = Patients download a copy as one ZIP. It has index.html (a page for people: what is in the copy, with counts, dates and the main fields), README.txt, manifest.json, the files of the copy in data, the documents in attachments, and SHA256SUMS, with which “sha256sum -c SHA256SUMS” checks all files. In this manifest each url is a path in the ZIP.
format-parts = Parts of a record
format-parts-do = The form of a copy asks which parts it should have. A part has the resources of these types. Where codes stand beside them, a resource is in the part if its category has one of the codes, or for documents its type or category (LOINC).
format-part = Part
format-types = Types
format-codes = Codes
format-any = Any
format-always = Always in a copy
format-all-others = All other types
format-topics = Private topics
format-topics-do = A resource is in a private topic if its security label (meta.security) is one of these codes. It is withheld unless the patient ticked the topic. For each topic, its name in the ledger comes first, then its codes. The codes are from
format-left-out = What was left out
format-left-out-do = The ledger counts what was left out for each of these reasons:
left-out-type = The request did not ask for its type.
left-out-since = It was not changed since the time that the request gives.
left-out-until = It was changed after the time that the request gives, or after the copy began.
left-out-filter = It does not match the filter that the request has for its type.
left-out-formGroup = Its part was not ticked.
left-out-dateRange = It is outside the dates that were chosen for its part.
left-out-tag = It does not have a label that the app may see.
left-out-scope = The app may not read it.
left-out-deleted = It was deleted, and is listed as deleted.
left-out-provenance = It says where information comes from, and the request did not ask for that.
left-out-document = It is a document of a resource that is not in the copy.
left-out-unreferenced = It belongs to no patient, and nothing in the copy refers to it.
left-out-staff = Staff left it out when they checked the copy. The error files have the reason.
format-left-out-file = The reasons of staff, one line for each thing that they left out, are in this error file:
format-fields = Types and their fields
format-fields-do = The link of each type leads to the definition of its fields and code systems. A resource may have any field of its definition, and extensions. It belongs to a patient if one of the named fields refers to the patient. The fields in the last column are in every resource.
format-type = Type
format-belongs = Refers to the patient
format-has = Always there
format-others = Resources of other types belong to a patient only if one of their fields subject, patient, for, beneficiary or individual refers to the patient, for example Task.for. All others are in a copy if something in the copy refers to them, such as a Medication or a Location. These types are:

## The audit trail

staff-navigation = Staff
staff-exports = Exports
audit-title = Audit trail
audit-whole = { $count ->
    [one] The newest entry is whole: it was not changed or removed.
   *[other] The newest { $count } entries are whole: none was changed or removed.
}
audit-newer = { $count ->
    [one] One entry was written by a newer version of this server. The list does not show it.
   *[other] { $count } entries were written by a newer version of this server. The list does not show them.
}
audit-broken = The audit trail is broken. Somebody or something has changed it.
audit-broken-entry = Chain { $chain }, entry { $entry }
audit-broken-do = Keep the store as it is, and ask the operator to run “ehi audit verify”.
audit-who = Who
audit-patient = Patient’s id
audit-action = Action
audit-what = What
audit-result = Result
audit-from = From date
audit-until = To date
audit-when = When
audit-where = From where
audit-all = All
audit-filter = Show
audit-none = There are no entries here.
audit-more-to-search = Nothing was found among the newer entries. There are older entries to search: go on with older entries.
audit-all-patients = All patients
audit-system = All patients and all other records
audit-named-patients = { $count ->
    [one] 1 patient, whom an earlier entry about this export names
   *[other] { $count } patients, whom earlier entries about this export name
}
audit-patient-note = These are the entries about the patient’s record, and the lists and searches that showed the patient. Exports of a group or of all patients name no single patient, so they are not here.
audit-downloads = Show the downloads of all exports
audit-patient-wrong = { $part }: this is not an id. Type the id of the patient, not the name.
audit-older = Older entries
audit-lines = The same as NDJSON
audit-actor-patient = A patient
audit-actor-staff = A member of staff
audit-actor-client = An app or a service
audit-actor-server = The server
audit-actor-unknown = Not signed in
audit-action-sign-in = Signed in
audit-action-sign-in-failed = Sign-in failed
audit-action-sign-out = Signed out
audit-action-record-viewed = Looked at a record
audit-action-export-started = Started an export
audit-action-choices-sent = Sent the choices
audit-action-download = Downloaded a file
audit-action-approved = Approved an export
audit-action-rejected = Rejected an export
audit-action-redacted = Left something out
audit-action-attached = Attached files
audit-action-detached = Removed attached files
audit-action-deleted = Deleted an export
audit-action-restored = Undid a deletion
audit-action-consent-given = Allowed an app
audit-action-consent-denied = Did not allow an app
audit-action-token-issued = Got a token
audit-action-token-refreshed = Refreshed a token
audit-action-token-revoked = Revoked a token
audit-action-access-stopped = Stopped an app’s access
audit-action-mail-sent = Sent a mail to the patient
audit-action-settings-changed = Changed the settings
audit-action-audit-read = Read the audit trail
audit-action-access-refused = Was refused for lack of a role
audit-outcome-success = Done
audit-outcome-refused = Refused
audit-outcome-failed = Failed

## Staff: one export

job-several = Several patients
job-app = App
job-number = Number
job-asked = Asked for
job-due = Due
job-due-left = { $date } ({ $days ->
    [one] 1 day left
   *[other] { $days } days left
})
job-overdue = { $date } (overdue)
job-approve = Approve
job-reject = Reject
job-delete = Delete this export
job-percent = { $percent } % collected
job-waiting = The export has waited since { $since } for a store that does not respond.
job-rejected-why = Rejected. The patient reads: { $reason }
job-failed-why = Failed: { $reason }
job-decided-approved = Approved already by { $who } at { $time }.
job-decided-rejected = Rejected already by { $who } at { $time }.
job-stale = This export was changed since you opened the page. Look at it again before you decide.
job-request = Request
job-nothing-chosen-yet = The patient has not chosen yet. Nothing is collected before.
job-complete-record = No form: the complete record, with everything private.
job-nothing-chosen = No part was chosen: only the patient, the care team and results other than laboratory are exported.
job-parts = Parts of the record
job-topics = Private topics
job-in = Chosen
job-out = Left out
job-words = The patient's words: “{ $text }”
job-note = Note: “{ $text }”
job-bulk = Bulk export, without a form: the records of { $whose }.
job-bulk-everyone = all patients
job-bulk-everything = all patients, and everything that belongs to none
job-bulk-group = the members of { $group }
job-group = The records of the members of { $group }, as the group was when the export began.
job-bulk-patients = { $count ->
    [one] 1 patient
   *[other] { $count } patients
}
job-bulk-types = Only the types: { $list }.
job-bulk-since = Changed after: { $list }.
job-bulk-until = Changed before: { $list }.
job-bulk-filters = Filtered by _typeFilter: { $list }.
job-bulk-elements = Only the elements: { $list }.
job-bulk-scopes = Narrowed by the token's scopes: { $list }.
job-bulk-tags = Only with the security tags: { $list }.
job-bulk-provenance-relevant = Provenance of exported resources.
job-bulk-provenance-latest = The latest Provenance of each exported resource.
job-bulk-ignored = The client was told: { $list }
job-ledger = What became of the record
job-ledger-sum = { $read ->
    [one] 1 resource
   *[other] { $read } resources
} read = { $written } exported + { $left } left out + { $withheld } withheld + { $duplicates } merged + { $failed } failed.
job-ledger-documents = { $found ->
    [one] 1 document
   *[other] { $found } documents
} found = { $written } exported + { $left } left out + { $withheld } withheld + { $failed } failed.
job-ledger-made = { $count ->
    [one] 1 resource was made by the export.
   *[other] { $count } resources were made by the export.
}
job-ledger-problems = { $count ->
    [one] 1 problem is listed in the error files.
   *[other] { $count } problems are listed in the error files.
}
job-ledger-partly = { $count ->
    [one] The record of 1 patient could be read only in part.
   *[other] The records of { $count } patients could be read only in part.
}
job-reason = Reason
job-resources = Resources
job-documents-count = Documents
job-left-out-reason = Left out: { $reason }
job-withheld-reason = Withheld: { $topic }
reason-type = type not requested
reason-since = not changed since
reason-until = changed later
reason-filter = excluded by a type filter
reason-formGroup = part not chosen
reason-dateRange = outside the chosen dates
reason-tag = no tag to which the token gives access
reason-scope = excluded by the token's scopes
reason-deleted = deleted
reason-provenance = Provenance not requested
reason-document = document of a resource that is not exported
reason-unreferenced = no exported resource refers to it
reason-staff = left out by staff
job-contents = Contents
job-file = File
job-download = Download
job-size = Size
job-no-files = Nothing is written yet.
job-no-files-failed = There are no files, because the export failed.
job-no-files-rejected = There are no files: they were removed when the export was rejected.
job-files-more = More files
job-documents = Documents
job-documents-of-record = Of the record
job-documents-attached = Attached by staff
job-document = Document
job-opened = Opened
job-not-opened = Not opened yet
job-opened-full = { $count ->
    [one] 1 document is marked as opened
   *[other] { $count } documents are marked as opened
}, which is the maximum. Documents that are opened from now on are not marked.
job-new-tab = (opens in a new tab)
job-no-documents = There are no documents.
inside-title = Documents inside resources
inside-lead = These documents are part of the resources of the record, wherever they are in them. They are not in the number of documents that nobody has opened.
inside-none = No documents were found here.
inside-resource = Resource
inside-next = Search further
job-documents-more = More documents
job-attached-none = Nothing is attached.
job-remove = Remove
job-attach = Attach
job-attach-files = Files to attach
job-attach-limits = At most { $count ->
    [one] 1 file
   *[other] { $count } files
} at a time, { $size } each.
job-attach-limits-all = At most { $count ->
    [one] 1 file
   *[other] { $count } files
} at a time, { $size } in total.
job-attach-too-large-all = The files are larger than { $size } in total. Choose fewer or smaller ones.
attach-refused = Nothing was attached. { $limits }
upload-title = Attach a larger file
upload-lead = A file of up to { $size } can be sent to the store of this server. You confirm it before it is attached.
upload-name = Name of the file
upload-name-hint = With its ending, such as “scan.pdf”. The patient sees this name.
upload-no-name = Type the name of the file.
upload-send-title = Send { $name }
upload-file = File to send
upload-file-hint = At most { $size }. Send it within { $minutes ->
    [one] 1 minute
   *[other] { $minutes } minutes
}. If you then see an error of the store, the file is too large or the time is over: go back and begin again.
upload-too-large = The file is larger than { $size }. Choose a smaller one.
upload-send = Send the file
upload-attach-title = Attach { $name }?
upload-arrived = The file has arrived ({ $size }). It is not attached yet.
upload-again = Send another file
upload-over = This file is not here any more, because the time for it is over. Begin again.
attach-stale = Nothing was attached now, because this export was changed since you opened the page. Your files may be attached already: look at the list of documents, and attach what is missing.
job-attach-too-large = A file is larger than { $size }. Choose a smaller one.
job-attach-too-many = Choose at most { $count ->
    [one] 1 file
   *[other] { $count } files
}.
job-history = History
job-when = When
job-who = Who
job-what = What
event-asked-for-an-export = asked for an export
event-chose-what-to-export = chose what to export
event-changed-what-to-export = changed what to export
event-began-to-collect = began to collect
event-approved = approved
event-deleted = deleted
event-deleted-by-the-client = deleted by the client
event-undid-the-deletion = undid the deletion
actor-patient = the patient
actor-link-holder = the patient, by the link

## Staff: the contents of an export

rows-title = { $file }
rows-count = Resources { $from } to { $to } of { $count }
rows-none = There is nothing here. The file may have changed: go back and open it again.
rows-id = Id
rows-date = Date
rows-text = What
rows-value = Value
rows-status = Status
rows-open = Open
rows-first = First page
rows-previous = Previous page
rows-next = Next page
rows-large = Large: { $size }
resource-main = Main fields
resource-all = All fields
resource-field = Field
resource-content = Content
resource-cut = The rest is too long to be shown. The file has all of it.
resource-json = JSON
back-to-export = Back to the export
back-to-file = Back to the file

## Staff: leaving something out

leave-out = Leave out
leave-out-title = Leave out { $what }?
leave-out-what = It leaves the copy. The patient reads that one { $kind } was left out, and your reason.
leave-out-references = Documents of the record that it names are left out too. Other resources may still refer to it, or quote it. They stay as they are.
leave-out-undo = This cannot be undone: the copy would have to be made again.
leave-out-reason = Reason, which the patient reads
leave-out-reason-missing = Give a reason.
leave-out-reason-long = Make the reason shorter: at most { $count ->
    [one] 1 letter
   *[other] { $count } letters
}.
leave-out-changed = Nothing was left out: the file or the document has changed since you opened the page. Open it again here. Your reason was: { $reason }
leave-out-refused = Nothing was left out. { $why } Your reason was: { $reason }
leave-out-reason-room = Make the reason shorter: this export has no room for so many letters.
leave-out-not-notices = The lines of this file are notices about the export. They stay.
leave-out-not-large = This file has more than { $size }, so single resources cannot be left out of it here. If one must not be in the copy, reject the export.
leave-out-not-document = A file that names this document has more than { $size }, so the document cannot be left out here. If it must not be in the copy, reject the export.
leave-out-not-files = This export has too many files, so nothing can be left out of it here. If something must not be in the copy, reject the export.
leave-out-not-documents = This resource names more documents than can still be left out of this export. If it must not be in the copy, reject the export.
leave-out-not-full = Nothing more can be left out of this export: the list of reasons is full. If something else must not be in the copy, reject the export.
leave-out-done = Left out by staff
document-word = document

## Staff: decisions

job-approve-title = Approve this export?
reject-title = Reject this export?
delete-title = Delete this export?
decide-patient = Whose record
decide-receiver = Who gets it
decide-what = What
decide-contents = { $resources ->
    [one] 1 resource
   *[other] { $resources } resources
} in { $files ->
    [one] 1 file
   *[other] { $files } files
} ({ $size }), { $documents ->
    [one] 1 document
   *[other] { $documents } documents
}
decide-contents-uncounted = { $resources ->
    [one] 1 resource
   *[other] { $resources } resources
} in { $files ->
    [one] 1 file
   *[other] { $files } files
} ({ $size }); documents: not counted
decide-left-out = Left out by you and your colleagues
decide-not-opened = Documents not opened
decide-review-first = Nobody has opened { $count ->
    [one] 1 document
   *[other] { $count } documents
} of this export.
decide-not-counted = not counted
decide-too-many = The documents are not counted, because the export is of too many patients. The page of the export lists them, and says which of them nobody has opened.
approve-permission-ended = The patient’s permission for private topics has ended. Reject the export, so that the patient can ask again.
job-approve-after = The app can load the copy at once.
job-approve-after-here = The copy can be downloaded on the pages of this server at once.
reject-because = Why? The patient reads the reason.
reject-identity = We cannot confirm who asked.
reject-twice = You asked for this copy twice. We work on the other request.
reject-person = The record has information about another person that we may not give.
reject-harm = A clinician thinks that this copy could do serious harm. You can ask for a second look by another clinician.
reject-other = Another reason
reject-more = In your words (needed for another reason)
reject-missing = Choose a reason.
reject-missing-words = Write the reason, or choose another one.
delete-after = Its app gets “not found” at once.
delete-after-here = Nobody can download the copy any more.
delete-undo = You can undo this until { $time }. Then its files are removed.
delete-no-undo = This cannot be undone.
delete-yes = Delete
deleted-title = This export was deleted
deleted-by = Deleted by { $who } at { $time }. Its app gets “not found”.
deleted-by-here = Deleted by { $who } at { $time }. Nobody can download the copy.
deleted-until = It can be brought back until { $time }. Then its files are removed.
deleted-taken-back = The deletion cannot be undone: the patient took back the permission at { $time }. The files are removed.
deleted-for-good = The deletion cannot be undone: the patient deleted the copy for good at { $time }. The files are removed.
deleted-by-app = The deletion cannot be undone: the app deleted the export as well, at { $time }. The files are removed.
deleted-final = The deletion cannot be undone.
deleted-undo = Undo the deletion
deleted-undo-ended = The deletion was not undone: the patient or the app ended the time for it.
ended-title = This export is no longer here
ended-lead = Nobody can see or download its contents any more.
ended-cancelled = { $who } cancelled or deleted it at { $time }.
ended-cancelled-by-patient = The patient cancelled or deleted it at { $time }.
ended-gave-way = Nobody filled in its form, and the app asked for another export at { $time }.
ended-taken-back = The patient took back the permission for it at { $time }.
ended-expired = The time for which exports are kept was over. The server deleted it at { $time }.
ended-expires = The time for which exports are kept was over at { $time }.

## The staff's queue

queue-title = Exports
queue-tabs = Exports by state
tab-review = Needs review
tab-collecting = Collecting
tab-waiting = Waiting
tab-ready = Ready
tab-all = All
tab-deleted = Deleted
staff-state-awaiting-input = Waiting for the patient
staff-state-queued = Collecting
staff-state-running = Collecting
staff-state-in-review = Needs review
staff-state-complete = Ready
staff-state-rejected = Rejected
staff-state-failed = Failed
staff-state-cancelled = Cancelled
staff-state-expired = Expired
queue-search = Search
queue-search-hint = Name, birth date, record number or patient id
queue-app = App
queue-app-all = All apps
queue-receiver = for { $receiver }
own-pages = the patient, on their own pages
queue-from = Asked from
queue-to = Asked until
queue-show = Show
queue-patient = Patient
queue-born = Born
queue-identifiers = Numbers
queue-state = State
queue-asked = Asked
queue-due = Due
queue-everyone = All patients
queue-group = Group { $group }
queue-patients = { $count ->
    [one] 1 patient
   *[other] { $count } patients
}
record-number = MRN { $number }
due-left = { $count ->
    [0] Due today
    [one] 1 day left
   *[other] { $count } days left
}
due-over = Overdue
queue-nothing-review = Nothing needs review.
queue-nothing = There are no exports here.
queue-nothing-deleted = There is no deleted export that can be restored.
queue-deleted-until = Deleted. You can undo it until { $time }.
queue-nothing-found = Nothing found here. Check the search, or look in another tab.
queue-more-to-search = Nothing found so far. There is more to look through: go on to the next page.
queue-everywhere = Search in all exports
queue-tick = Tick { $patient }
queue-approve = Approve what is ticked
queue-approve-count = Approve { $count }
queue-pages = Pages
queue-first = First page
queue-next = Next page

## Approving several exports

several-title = { $count ->
    [0] Nothing to approve
    [one] Approve 1 export?
   *[other] Approve { $count } exports?
}
several-none = Tick at least one export that needs review. Then press the button below the list.
several-lead = Each copy can be loaded at once. You cannot take it back.
several-born = Born { $date }
several-receiver = goes to { $app }
several-not = Do not approve
several-refused = Cannot be approved
several-gone = This export is gone.
several-changed = Somebody changed it after you looked. Open it and look again.
several-failed = It could not be approved now. Open it, and try again.
several-other-state = Its state is now "{ $state }".
several-already = Approved already by { $who } at { $time }.
several-done-title = { $count ->
    [0] Nothing was approved
    [one] 1 export is approved
   *[other] { $count } exports are approved
}
several-back = Back to the exports

## The settings

settings-title = Settings
settings-lead = The settings file and the environment of the server say what is here. This page changes nothing.
settings-address = Public address
settings-review = Staff check each copy
settings-sandbox = Anybody may pick any patient (sandbox)
settings-unfinished = Unfinished exports are kept for
settings-audit = The audit trail is kept for
settings-digest = Digest of all settings
settings-days = { $days ->
    [one] 1 day
   *[other] { $days } days
}
settings-yes = On
settings-no = Off
settings-staff = Who may do what
role-reviewer = Reviewer
role-administrator = Administrator
role-auditor = Auditor

## Exports that staff start

queue-staff = Staff
patients-title = Patients
patients-typed = Name, birth date, identifier or id
patients-typed-hint = Beginnings of words are enough. All words must match.
patients-no-index = The record store has no index of patients yet, so only a whole id is found. The command “ehi index” makes the index: ask whoever runs this server.
patients-index-damaged = The index of patients cannot be read, so only a whole id is found. The command “ehi index” makes a new one: ask whoever runs this server.
patients-left-out = { $count ->
    [one] One patient is left out: the record was removed or changed since the index of { $date }.
   *[other] { $count } patients are left out: their records were removed or changed since the index of { $date }.
}
patients-unread = { $count ->
    [one] One patient is left out, because the record cannot be read now.
   *[other] { $count } patients are left out, because their records cannot be read now.
}
patients-more-to-search = The search has not looked at everybody yet. Go to the next page, or type more.
patients-restarted = The index was renewed meanwhile, so the list has changed. It starts again at its beginning.
patients-index-earlier = An earlier version of the program made the index: it finds names that are written together or apart, other spellings, and patients with more than 8 identifiers only in part. The command “ehi index” makes a new one: ask whoever runs this server.
patients-index-of = The index is complete as of { $date }. Whoever was added later, and whose record was changed later, may not be found.
patients-nothing-typed = Type a letter or a digit.
patients-replaced = Replaced by { $id }
patients-start-of = Start export for { $patient }
patients-search = Search
patients-sex = Sex
patients-last = Last export
patients-none = None
patients-nobody = Nobody found. Check the spelling.
patients-nobody-else = Nobody else is found.
sex-female = Female
sex-male = Male
sex-other = Other
sex-unknown = Unknown
groups-title = Groups
groups-none = The record store has no groups.
groups-group = Group
groups-id = Group id
groups-count = Members
groups-members = { $count ->
    [one] The record of up to 1 patient is exported: the active member of the group, and of the groups in it. If the record store does not have the patient, the export says so.
   *[other] The records of up to { $count } patients are exported: the active members of the group, and of the groups in it. The export names those whom the record store does not have.
}
groups-others = { $count ->
    [one] One member cannot be exported, because it is no patient of this server. The export names it.
   *[other] { $count } members cannot be exported, because they are no patients of this server. The export names them.
}
groups-unread = { $count ->
    [one] Not all members of one group are exported: the group is missing, cannot be read, or does not list all its members. The export names it.
   *[other] Not all members of { $count } groups are exported: these groups are missing, cannot be read, or do not list all their members. The export names them.
}
groups-changed = The group has changed since you opened this page. See whom it has now, then start the export.
groups-too-large = This group is too large for a page: it has more than 32 MB or 400,000 members, with the groups in it. A registered client can export it: $export of Group/{ $id }. Or ask for smaller groups.
groups-without-list = This group cannot be exported. It defines its members by criteria instead of listing them, or it has an extension that may change who is a member. Ask for a group that lists its members.
groups-more-than = More than { $count }
start-title = Start export
start-receiver = Who gets the copy?
start-receiver-hint = Such as: the patient, or a person who may act for the patient.
start-reason = Why is it made?
start-reason-hint = It stays in the history of the export.
start-parts = Parts of the record
start-days = Days
start-days-hint = No days: all times.
start-topics-hint = A topic is left out unless you tick it. Tick only what the patient allows.
start-no-receiver = Say who gets the copy.
start-no-reason = Say why the export is made.
start-too-long = Use at most { $limit } letters, in one line.
start-before = This export was started already, with other choices:
start-before-link = see the export
start-before-do = To start another export with the choices below, press the button again.

## Mails to patients

# A mail contains neither the patient’s name nor a word about health. The subject is the same for all mails.
mail-subject = About your request
mail-received = We have your request. See it: { $link }
mail-received-app = We have your request. See it in your app.
mail-not-you = Not you? Call { $phone }.
mail-ready = Your copy is ready. Sign in by { $date }: { $link }
mail-ready-app = Your copy is ready. Open your app by { $date }.
mail-message = A message about your request. Sign in to read it: { $link }
mail-message-app = A message about your request. Open your app to read it.
