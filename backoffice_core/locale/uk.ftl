# Усі слова, які бачить людина. Мова — це файл: інший .ftl у цій теці пропонується сам.
# Ключі однакові в усіх мовах; коди (outcome-…, reason-…) лежать у базі, слова тут.


## Frame

skip-to-main = До основного
nav-sections = Розділи
nav-desk = Стіл
nav-floor = Зал
nav-queue = Черга
nav-lines = Лінії
nav-unknown = Без кінця
nav-search = Пошук
nav-case = Справа
search-case = Справа, договір, телефон, ім’я
language = Мова
theme = Світла або темна тема
extension = тел. { $n }
log-out = Вийти
live-on = Наживо
live-connecting = Підключаємося
live-restored = Зв’язок відновлено, $ с
offline-desk = Зв’язку з сервером немає. Розмова триває, нотатка зберігається на цьому комп’ютері. Підключаємося знову; останні дані о
offline-page = Зв’язку з сервером немає. Підключаємося знову; дані станом на
try-now = Спробувати зараз
request-failed = Не вдалося. Перевірте зв’язок і повторіть.
close = Закрити
cancel = Скасувати
reason = Причина
to-start = На початок
today = Сьогодні
hours-minutes = { $hours } год { $minutes } хв
minutes = { $n } хв
days = { $n ->
        [one] { $n } день
        [few] { $n } дні
       *[many] { $n } днів
    }
until-date = до { $date }
until-time = можна до { $time }
control-on = контроль { $date }

## Login

product-line = Контакт-центр · стягнення
login-title = Вхід
login-name = Логін
login-password = Пароль
login-caps = Увімкнено Caps Lock
login-phone = Телефон на сьогодні
login-phone-hint = Для телефону в браузері дозвольте мікрофон на наступному кроці
login-button = Увійти
login-failed = Логін або пароль не підходить. Після 5 невдалих спроб вхід закрито на 15 хвилин; раніше його відкриє адміністратор.
login-expired = Сеанс завершено. Увійдіть знову: справа й чернетка на місці.
login-journal = Входи, перегляди справ і прослуховування записуються в журнал. Після 5 невдалих спроб вхід закрито на 15 хвилин.
phone-browser = У браузері
phone-desk = Настільний
health-database = База
health-database-away = База не відповідає
health-redis = Новини
health-redis-away = Новини не надходять
health-telephony = Телефонія
health-telephony-away = Телефонія не відповідає
health-stopped = Набір зупинено

## Roles

role-agent = агент
role-supervisor = супервайзер
role-manager = керівник
role-admin = адміністратор

## States of agents and calls

agent-state-READY = Готовність
agent-state-RESERVED = Набір
agent-state-TALKING = Розмова
agent-state-WRAP_UP = Завершення
agent-state-PAUSED = Пауза
agent-state-UNREACHABLE = Немає зв’язку
agent-state-OFF = Не на зміні
agent-connecting = З’єднуємо лінію
paused = Пауза: { $reason }
pause-LOGIN = Початок зміни
pause-BREAK = Перерва
pause-LUNCH = Обід
pause-TRAINING = Навчання
pause-TECHNICAL = Технічна
pause-PHONE_HUNG_UP = Слухавку покладено
pause-LINE_LOST = Лінію втрачено
pause-NO_DISPOSITION = Без результату
call-state-INTENT = Набір
call-state-RINGING = Дзвонить
call-state-ANSWERED = Відповів
call-state-CONNECTED = Розмова
call-state-SETTLING = З’ясовуємо
call-state-ENDED = Завершено
task-state-ELIGIBLE = У черзі
task-state-DIALING = Набираємо
task-state-SETTLING = З’ясовуємо
task-state-RETRY_WAIT = Повтор пізніше
task-state-DONE = Виконано
task-state-EXHAUSTED = Спроби вичерпано
task-state-CANCELLED = Скасовано
task-state-UNKNOWN = Невідомо

## Telephony results (domain 2.3)

result-ANSWERED_HUMAN = Відповіла людина
result-ANSWERED_MACHINE = Автовідповідач
result-ANNOUNCEMENT = Оголошення мережі
result-FAX = Факс
result-NO_ANSWER = Немає відповіді
result-BUSY = Зайнято
result-CONGESTION = Перевантаження мережі
result-INVALID_NUMBER = Номер недійсний
result-REJECTED = Відхилено
result-ABANDONED = Покинуто
result-SILENT = Тиша
result-FAILED = Збій
result-UNKNOWN = Невідомо
result-CANCELLED = Скасовано

## Outcomes of talks (domain 2.3)

outcome-PTP_FULL = Обіцянка сплати повністю
outcome-PTP_PART = Обіцянка сплати частково
outcome-PAID_CLAIM = Стверджує, що сплатив
outcome-CALLBACK = Просить передзвонити
outcome-PLAN_REQ = Просить реструктуризацію
outcome-HARDSHIP = Складна життєва ситуація
outcome-REFUSE = Відмова платити
outcome-DISPUTE = Оскаржує борг
outcome-LEFT_MSG_3P = Через третю особу, без відомостей
outcome-WRONG_PERSON = Не та особа
outcome-WRONG_NUMBER = Чужий номер
outcome-DECEASED = Помер, зі слів
outcome-BANKRUPT = Банкрут, зі слів
outcome-INCAPACITY = Недієздатність, зі слів
outcome-HOSPITAL = У лікарні, зі слів
outcome-MILITARY = Військовослужбовець, зі слів
outcome-CEASE = Відмова від взаємодії
outcome-REP_ONLY = Лише через представника
outcome-LANG = Інша мова
outcome-HANGUP = Кинув слухавку
outcome-ABUSE = Образи
outcome-VOICEMAIL_LIMITED = Автовідповідач
outcome-NO_CONTACT = Контакту немає
outcome-NO_DISPOSITION = Результат не вказано

## Why a case is not called (domain 2.3)

reason-CLOSED = Справу закрито
reason-STOP_LIST = Стоп-список
reason-ON_HOLD = Стягнення призупинено
reason-STATUS_BLOCK = Захищена категорія
reason-NOT_DUE = Ще не час
reason-PROMISE_OPEN = Відкрита обіцянка
reason-NO_PHONE = Номер недійсний або відсутній
reason-NO_TIME_ZONE = Часовий пояс невідомий
reason-NO_RULE = Немає правила, що дозволяє
reason-CAP_REACHED = Ліміт взаємодій вичерпано
reason-COOLDOWN = Пауза після розмови
reason-RETRY_WAIT = Чекаємо на повтор
reason-EXHAUSTED = Спроби вичерпано
reason-OUT_OF_HOURS = Поза дозволеними годинами
reason-DAY_OVER = День минув
reason-DEMO_ON_REAL_TRUNK = Демо не дзвонить назовні
why-CALL_BACK = Просив передзвонити
why-BROKEN_PROMISE = Порушена обіцянка
why-VALUE = За очікуваною сумою
why-times = ×{ $n } від типової

## Cases, stages, flags, phones, promises, tasks

case-state-NEW = Нова
case-state-ACTIVE = Активна
case-state-PROMISED = Обіцянка
case-state-PLAN = План
case-state-ON_HOLD = На паузі
case-state-TRANSFERRED_SECURITY = У службі безпеки
case-state-PRE_LEGAL = Досудова
case-state-LEGAL = Суд
case-state-ENFORCEMENT = Виконавче провадження
case-state-PLACED = В агентстві
case-state-CURED = Вилікувана
case-state-PAID_OFF = Погашена
case-state-WRITTEN_OFF = Списана
case-state-RECOVERY = Відшкодування
case-state-SOLD = Відступлена
case-state-CLOSED = Закрита
stage-0 = До прострочення
stage-1 = Раннє м’яке 1–30
stage-2 = Пізнє м’яке 31–60
stage-3 = Жорстке 61–90
stage-4 = Досудове 91–180
stage-5 = Суд
stage-6 = Виконавче провадження
stage-7 = Списано
stage-8 = Агентство
stage-9 = Продано
flag-bankrupt = Банкрут
flag-incapacitated = Недієздатність
flag-inpatient = У лікарні
flag-minor = Неповнолітня особа
flag-disability_group_1 = Інвалідність I групи
flag-protected_military = Військовослужбовець
flag-close_to_protected = Близька особа захищеного
flag-deceased = Смерть
flag-vulnerable = Складна ситуація
flag-representative_only = Лише представник
flag-refused_interaction = Відмова від взаємодії
flag-breathing_space = Перепочинок
flag-breathing_space_mh = Перепочинок за станом здоров’я
owner-self = Власний
owner-work = Робочий
owner-relative = Родича
owner-third_party = Третьої особи
owner-unknown = Невідомо чий
phone-state-UNVERIFIED = Не перевірений
phone-state-VERIFIED = Перевірений
phone-state-SUSPECT = Сумнівний
phone-state-DEAD = Недійсний
phone-state-UNREACHABLE = Недосяжний
phone-state-WRONG_PARTY = Чужий
promise-OPEN = Відкрита
promise-PARTIAL = Частково
promise-KEPT = Виконано
promise-BROKEN = Порушено
promise-CANCELLED = Скасовано
task-CHECK_PROMISE = Перевірити оплату за обіцянкою
task-CHECK_POSTING = Перевірити зарахування
task-CALLBACK = Передзвонити
task-FOLLOW_UP = Повернутися до обіцянки
task-SPECIALIST = Передати фахівцю
task-NEXT_STAGE = Перевести на наступний етап
task-DISPUTE = Розглянути спір
task-REFRESH_CONTACT_DATA = Оновити контактні дані
task-CHECK_NUMBER = Перевірити номер: в іншого позичальника він хибний
task-EVIDENCE = Отримати підтвердження
task-STOP_REQUEST = Оформити відмову від взаємодії
recording-EXPECTED = запис готується
recording-MISSING = запису немає
speech-uk = українська
speech-ru = російська
speech-en = англійська
campaign-collection = Стягнення
mode-progressive = прогресивний набір
event-call = Дзвінок
event-outcome = Результат розмови
event-wrap_over = Час на результат вийшов
event-settled = Підсумок дзвінка вказала людина
event-promise = Обіцянка
event-task = Задача
event-flag = Статус особи
event-note = Нотатка
event-stage = Етап
event-state = Стан справи
event-import = Імпорт

## Desk: call bar

bar-label = Стан і дзвінок
bar-mic = Мікрофон
bar-recording = запис
bar-hang-up = Завершити
bar-pause = Пауза
bar-pause-choose = Обрати причину паузи
bar-pause-reason = Причина паузи
bar-pause-later = Пауза потім
bar-pause-after = потім пауза: { $reason }
bar-pause-after-title = Пауза після цієї розмови
bar-pause-cancel = Скасувати паузу після розмови
bar-pause-after-save = Пауза після запису
bar-talked = розмова { $time }
bar-wrap-meter = Скільки лишилося на результат
bar-wrap-left = на результат { $limit } с, далі його допише супервайзер, а дзвінків не буде
bar-waiting = Чекаємо на дзвінок
bar-stopped = Набір зупинено
bar-stopped-hint = Дзвінки підуть, коли супервайзер зніме зупинку
bar-line-connecting = З’єднуємо вашу лінію
bar-line-browser = Телефон у браузері відповість сам
bar-line-desk = Підніміть слухавку: телефон дзвонить один раз на зміну
bar-line-lost = Лінію до вашого телефону втрачено. Перевірте телефон і станьте в готовність.
bar-unreachable = Телефон не відповідає
bar-paused = Дзвінків немає, доки ви на паузі
bar-paused-hint = F2 або кнопка — і дзвінки підуть
bar-no-disposition = Результат не вказано вчасно: справу допише супервайзер
bar-ready = Готовність
no-extension = У вас немає внутрішнього номера
no-extension-remedy = Попросіть адміністратора: без нього дзвінки не приходять
phone-desk-line = настільний, { $n }
phone-registered = телефон підключено
phone-connecting = телефон підключається
phone-off = Телефонія не відповідає: підключаємося знову
phone-no-mic = Немає мікрофона: під’єднайте гарнітуру й дозвольте мікрофон у браузері
phone-insecure = Браузер дає мікрофон лише на https або на цьому ж комп’ютері
phone-refused = Телефонія відхилила ваш номер: покличте адміністратора
mic-lost = Мікрофон від’єднано. Співрозмовник вас не чує.
leave-in-call = Триває розмова
second-tab-title = Стіл відкрито в іншій вкладці
second-tab-text = Телефон і дзвінки живуть лише в одній вкладці. Можна перенести їх сюди.
second-tab-take = Перенести сюди
second-tab-taken = телефон в іншій вкладці

## Desk: ready

my-day = Мій день
fig-talks = розмов із людьми
fig-rpc = контактів із боржником
fig-promises = обіцянок
fig-promised = обіцяно сьогодні
fig-talk-mean = середня розмова
fig-wrap-mean = середнє завершення
time-in-states = Час за станами, { $total }
my-callbacks = Мої передзвони
persons-time = час особи
no-callbacks = Передзвонів на сьогодні немає
no-callbacks-hint = Домовлені дзвінки з’являться тут у свій день; набере їх система.
promises-due = Обіцянки на сьогодні
no-promises-due = Обіцянок на сьогодні немає
no-promises-due-hint = Тут стане видно, хто з ваших боржників має сплатити сьогодні.
my-calls = Останні мої дзвінки
no-calls-yet = Дзвінків ще не було
no-calls-yet-hint = З’являться після першої розмови.
col-when = Коли
col-borrower = Боржник
col-place = Місце
col-language = Мова

## Desk: card

pane-card = Картка
pane-talk = Розмова
pane-result = Результат
borrower = Позичальник
ask-for = Запитайте
confirmed = Особу підтверджено
not-confirmed = Не підтверджено
local-time = Там зараз
number = Номер
contacts = Контакти
contacts-of = { $used } із { $max }
contacts-used = сьогодні { $used }
overdue = Прострочено
principal = Тіло
interest = Проценти
penalty = Пеня
whole-debt = Увесь борг
next-payment = Наступний платіж
contract = Договір
promises = Обіцянки
kept = виконано
broken = порушено
last-promise = Остання: { $amount } до { $date }
no-promises = Обіцянок ще не було
balance-old = Дані банку від { $time } застаріли, тому суми приховано. Не називайте їх, запропонуйте перевірити в застосунку
hidden-title = Приховано до підтвердження
hidden-sum = Сума боргу
hidden-days = Дні прострочення
hidden-loans = Інші кредити
hidden-why = Дані ще не передано в браузер. Третій особі не кажіть ні про борг, ні про банк-кредитора понад назву.
tab-script = Скрипт
tab-history = Історія
step-identity = Крок 1 із 2 · особа
step-agreement = Крок 2 із 2 · домовленість
identity-title = Перевірка особи: потрібні { $needed } збіги з 3
identity-misses = незбігів { $n } із 3
identity-matches = збігів { $n } із { $needed } потрібних
identity-birth_date = Дата народження
identity-birth_date-hint = 14.03.1985
identity-tax_id_last4 = 4 цифри РНОКПП
identity-tax_id_last4-hint = останні 4
identity-code_word = Кодове слово
identity-code_word-hint = зі слів клієнта
identity-check = Звірити: { $field }
identity-match = Збігається
identity-no-match = Не збігається
identity-not-asked = Не питали
identity-locked = Три відповіді не збіглися: перевірку на цей дзвінок закрито. Про борг не кажіть нічого; оберіть результат праворуч.
third-party-title = Якщо відповідає інша людина
third-party-rule = Більше нічого: ні борг, ні суму, ні причину.
if-says = Якщо каже
says-whole = Не можу всю суму
says-whole-do = Скільки й коли? Результат «Обіцянка частково»
says-salary = Затримали зарплату
says-salary-do = Коли надходження? Обіцянка — до 30 днів
says-paid = Уже сплачено
says-paid-do = Дата, сума, спосіб — у нотатку; «Стверджує, що сплатив»
says-dispute = Не згоден із сумою
says-dispute-do = «Оскаржує борг»: стягнення стає на паузу, спір розглянуть
says-hardship = Втратив роботу, хворію
says-hardship-do = «Складна життєва ситуація»: передамо фахівцю
must-say = Скажіть обов’язково
must-basis = Підстава боргу і договір
must-amount = Розмір боргу, окремо пеня
must-plan = Право на реструктуризацію
must-how = Як і куди платити
script-greeting = Добрий день! Мене звати { $agent }, { $bank }, адреса: { $address }.
script-ask = Скажіть, будь ласка, ви —
script-third-party = «Перекажіть, будь ласка, що телефонувала (телефонував) { $agent }, і попросіть передзвонити на { $phone }».
script-debt = { $name }, за вашим договором є прострочення: { $days ->
        [one] { $days } день
        [few] { $days } дні
       *[many] { $days } днів
    }. До сплати зараз { $amount }. Коли ви зможете внести цю суму?
script-debt-old = { $name }, за вашим договором є прострочення. Точну суму видно в застосунку банку. Коли ви зможете її внести?
no-history = Історії ще немає
no-history-hint = Дзвінки, обіцянки й задачі з’являться тут.

## Desk: last contacts

last-contacts = Останні події

## Desk: result

code-or-digit = код або цифра
result-code = Код результату
other-results = Інші результати ({ $n })
more-after-confirmation = Решта результатів — після підтвердження особи
field-amount = Сума
field-amount-hint = 18 462,75
field-due_date = До дати
field-due_date-hint = 25.11, 2511 або +3
field-call_back_at = Коли передзвонити, час особи
field-call_back_at-hint = 25.11 14:30 або 14:30
input-amount-unreadable = Це не сума. Напишіть, наприклад, 1500,00
input-amount-BAD_INPUT = Вкажіть суму: більше нуля й не більше простроченого
input-due_date-unreadable = Це не дата. Напишіть 25.11, 2511 або +3
input-due_date-BAD_INPUT = Вкажіть день від сьогодні до 30 днів наперед
input-call_back_at-unreadable = Це не час. Напишіть 25.11 14:30 або 14:30
input-call_back_at-BAD_INPUT = Вкажіть час у майбутньому
input-outcome-BAD_INPUT = Оберіть результат зі списку
input-outcome-OUTCOME_NEEDS_CONFIRMATION = Спершу підтвердьте особу: цей результат означає розмову з боржником
note = Нотатка
note-hint = Зберігається під час набору
draft-saved = чернетку збережено
draft-local = чернетка на цьому комп’ютері
next-choose = Оберіть результат, тут стане видно наступний крок
next-step = Далі: { $task }, { $date }
next-state = стан «{ $state }»
next-nothing = Далі: повтор за правилами набору
no-result-no-call = Без результату наступного дзвінка не буде
save-after-talk = Зберегти після розмови
save-and-next = Зберегти й далі
save-and-pause = Зберегти й на паузу
result-is-saved = Результат збережено
saved-result = Збережено: { $result }
saved-promise = Обіцянку збережено: { $amount } до { $date }

## History and case

hist-call = Вихідний дзвінок — { $result }
hist-outcome = Результат: { $outcome }
hist-settled = Чим скінчився дзвінок: { $result }
hist-task = Задача: { $task }
hist-flag = Статус: { $flag }
hist-stage = Етап: { $to }
hist-promise = Обіцянка: { $state }
hist-state = Стан справи: { $to }
hist-abandoned = покинуто: агента не було
listen = Слухати
recording-of = Запис дзвінка { $time }
listening-noted = Прослуховування записується в журнал. Ліворуч агент, праворуч боржник.
case-title = Справа { $number }
case-owner = веде { $name }
case-overdue = прострочено
case-days = { $n ->
        [one] день прострочення
        [few] дні прострочення
       *[many] днів прострочення
    }
case-debt = увесь борг
case-side = Кроки, телефони, обіцянки, кредити
timeline = Стрічка
older = Раніші події
to-newest = До останніх
complete-title = Дописати результат
complete-why = { $agent } не вказав результат розмови { $time }. Прослухайте запис і оберіть його; до того ніхто не телефонує
complete-not-confirmed = Особу в розмові не підтверджено, тому результатів, що означають розмову з позичальником, тут немає.
complete-result = Результат розмови
complete-save = Зберегти результат
next-steps = Наступні кроки
no-tasks = Відкритих задач немає
phones = Телефони
no-phones = Номерів немає
kept-of = виконано { $kept } із { $n }
loans = Кредити
no-loans = Кредитів немає
as-at = на { $time }
col-days = Днів

## Floor

strip-label = Зведення
strip-talking = розмова
strip-ready = готові
strip-connecting = з’єднуємо
strip-wrap = завершення
strip-paused = пауза
strip-lost = немає зв’язку
strip-dialing = у наборі
strip-promises = Обіцянок
camp-ready = готові
camp-talking = розмова
camp-dialing = у наборі
camp-waiting = чекають
camp-left = лишилося
camp-abandoned = Рахунок покинутих
camp-abandoned-meter = Покинуто { $percent }, межа 3 %
of-answered = із { $n ->
        [one] { $n } відповіді
        [few] { $n } відповідей
       *[many] { $n } відповідей
    }
of-answers = { $rpc } із { $n } відповідей
fig-dialed = спроб
fig-answered = відповіли
fig-connected = з’єднано
fig-rpc-short = боржник
fig-promises-short = обіцянок
fig-rpc-rate = Боржник серед відповідей
agents = Агенти
sort = Порядок
sort-state = за станом
sort-name = за іменем
col-agent = Агент
col-state = Стан
col-time = Час
no-agents = На зміні ще нікого немає
no-agents-hint = Агенти з’являться тут, щойно увійдуть.
live-calls = Дзвінки зараз
no-live-calls = Дзвінків немає
no-live-calls-hint = З’являться, коли є вільні агенти й черга.
no-live-calls-stopped = Набір зупинено.
not-callable = Не можна дзвонити
of-cases = із { $n } справ
no-reasons = Чергу ще не побудовано
lines = Лінії
lines-used = { $n } зайнято
lines-of = { $used } із { $n }
stop-dialing = Зупинити набір
stop-question = Зупинити набір у всіх кампаніях?
stop-counts = Нових дзвінків не буде. У наборі зараз: { $lines }. Розмов, що триватимуть: { $talks }. Відновити може людина, вказавши причину.
stop-done = Набір зупинено
stop-done-database-away = Набір зупинено. База не відповідає: запис у журналі з’явиться пізніше.
stop-lifted = Зупинку знято, набір триває
no-result-title = Розмов без результату: { $n }
no-result-do = допишіть у справі; до того туди ніхто не телефонує
stopped-title = Набір зупинено
stopped-chip = зупинено
stopped-by = { $name }, { $time }
stopped-by-file = Файл STOP у теці даних
lift-stop = Зняти зупинку
lift-question = Зняти зупинку набору?
lift-text = Дзвінки підуть одразу. У журналі буде ваше ім’я: { $name }.
lift-reason = Чому набір можна продовжити

## Queue

queue-title = Черга на { $date }
queue-hint = нічна перевірка повторюється в мить набору
queue-total = у черзі
queue-left = лишилося
queue-refused = не можна
queue-list = Черга за порядком
queue-none = Тут порожньо
queue-none-hint = Чергу на сьогодні ще не побудовано. Її будує ніч або команда backoffice nightly.
queue-none-here = За цією умовою справ немає.
why-not = Чому не дзвонимо
all-callable = Усе, що можна дзвонити
all-refused = Усе, що не можна
why-order = Чому саме тут
col-attempts = Спроб
col-earliest = Не раніше
col-rule = Правило
col-until = Можна з
until-person = коли вирішить людина
rows-shown = показано { $n }
to-first = На початок
next-page = Далі

## Ledger and leases
unknown-title = Дзвінки з невідомим кінцем
unknown-alarm = Дзвінків, кінця яких ніхто не чув: { $n }
unknown-hint = Рахуються як контакт і самі не набираються; скажіть, чим кожен закінчився
unknown-left = чекають
unknown-none = Таких дзвінків немає
unknown-evidence = Що відомо
unknown-settle = Вказати
unknown-noted = Прийнято
unknown-saved = Записано
evidence-nothing = Нічого не чули
evidence-rang = Телефон дзвонив
evidence-answered = Відповіли
evidence-talked = Була розмова
evidence-recorded = запис { $time }
problem-SLOT_GONE = Його місця в обліку контактів не було; записано наново.
problem-NOT_SETTLED = Його кінець не вдалося записати.
stop-cause-CLOCK_JUMPED = Годинник стрибнув на { $seconds } с
stop-cause-CLOCK_DATABASE = Годинник бази даних розходиться з нашим на { $seconds } с
stop-cause-CLOCK_SHIFTED = Робочий час зсунули на { $seconds } с


## Listener

hist-estimated = кінець за останнім свідченням


## Backup, restore, drain

stop-reason-RESTORED = базу відновлено з копії: дзвінки з того моменту звіряються
drain-title = Нові дзвінки не починаються
drain-do = Оператор системи дає розмовам закінчитися. «backoffice drain --lift» знову дозволяє дзвінки.
error-RESTORE_UNSETTLED = Базу відновлено з копії, дзвінки з того моменту ще не звірено
remedy-RESTORE_UNSETTLED = Чого бракує, оператор системи побачить командою «backoffice restore findings»; потім зупинку можна зняти.


## Recordings at rest

recording-DELETED = запис видалено за правилом
sound-NOT_RECORDED = Розмову не записано
sound-CUT_SHORT = Запис коротший за дзвінок
sound-NO_SOUND = Нікого не чути
sound-AGENT_SILENT = Агента не чути: звук в один бік
sound-BORROWER_SILENT = Позичальника не чути: звук в один бік
sound-AGENT_CLIPPED = Голос агента перевантажений
sound-BORROWER_CLIPPED = Голос позичальника перевантажений
bad-sound-title = Дзвінків із поганим звуком сьогодні: { $n }
bad-sound-phone = телефон { $phone }
stopped-by-house = Система зупинила сама
stop-cause-RECORDINGS_FULL = том записів заповнений, розмови не було б записано. Звільніть місце, тоді зніміть зупинку
error-RECORDINGS_FULL = Том записів заповнений
remedy-RECORDINGS_FULL = Звільніть місце або збільшіть том; до того ніхто не набирає, бо розмови не було б записано.
error-KEY_MISSING = Запис не відкривається: немає його ключа
remedy-KEY_MISSING = Повідомте адміністратора: потрібен давніший ключ записів.


## Audit, clients, contacts elsewhere

hist-stop-list = за стоп-листом банку: { $why }
api-title = API для систем банку
api-lead = Ключ: backoffice client add НАЗВА; заголовок Authorization: Bearer КЛЮЧ. Повтор запиту нічого не змінює. Поля із зірочкою обов’язкові.
api-field = Поле
api-type = Вид
api-meaning = Що означає
sources-late = Мовчать джерела контактів: { $names }. Денні межі знижено за правилом.


## Trunks and caller ids

reason-DESTINATION_NOT_ALLOWED = Напрямок не дозволено на жодній лінії
reason-DESTINATION_DENIED = Напрямок заборонено на лінії
reason-DESTINATION_PREMIUM = Номер із надбавкою не набирається
reason-DESTINATION_UNREADABLE = Номер без коду країни не набирається
reason-CALLER_ID_ABSENT = Кампанія не має свого номера: додайте його
reason-CALLER_ID_OUT = Номер кампанії вийшов із пулу за ознаками операторів
reason-CALLER_ID_EXPIRED = Строк дії номера кампанії минув або ще не настав
reason-CALLER_ID_NOT_ADMITTED = Лінія не пропускає номер кампанії
reason-CALLER_ID_HIDDEN = З прихованого номера не телефонуємо
reason-NO_TRUNK = Немає лінії, якою можна подзвонити
trunk-state-CLOSED = працює
trunk-state-OPEN = вимкнено через помилки
trunk-state-HALF_OPEN = перевіряється одним дзвінком
trunk-why-FAULTS = помилки оператора
trunk-why-REFUSES_ALL = відмовляє всім
trunk-why-BY_HAND = закрила людина
trunk-closed-do = Дзвінки йдуть іншими лініями; відкрити її може людина.
lines-act = Дія
lines-close = Закрити лінію
lines-open = Відкрити лінію
lines-close-question = Закрити лінію { $name }? Розмови триватимуть, нових дзвінків нею не буде
lines-open-question = Відкрити лінію { $name } для дзвінків?
lines-reason-needed = { $name }: без причини не можна. Напишіть, чому
caller-id-take-out = Вивести з пулу
caller-id-put-back = Повернути в пул
caller-id-out-question = Вивести { $number } з пулу? Дзвінків із ним не буде, доки його не повернуть
caller-id-back-question = Повернути { $number } у пул? Спершу усуньте те, через що він вийшов
caller-ids-retired = Номери, виведені людиною
trunk-out-title = Лінію { $name } вимкнено: { $why }
trunk-out-do = Дзвінки йдуть іншими лініями; о { $time } її перевірить один дзвінок.
trunk-money-title = Гроші на сьогодні на лінії { $name } вичерпано: { $spent } з { $budget }
trunk-money-do = До завтра вона не телефонує. Більшу суму задає адміністратор.
caller-id-out-title = Номер { $number } вийшов із пулу
caller-id-out-do = Ознаки: { $signs }. Іншим номером його автоматично не замінено.
lines-page = Лінії та номери
lines-health = Здоров’я ліній
lines-answers = Відповідей за годину
lines-cps = Дзвінків за секунду
lines-money = Гроші сьогодні
lines-errors = Останні помилки
lines-none = Помилок не було
caller-ids = Номери, які ми показуємо
caller-id-number = Номер
caller-id-always = безстроково
caller-id-calls = Дзвінків
caller-id-answer-rate = Відповіли
caller-id-talk = Розмова
caller-id-short = До 60 с
caller-id-new = Нові номери
caller-id-silent = Тиша, втрачені
caller-id-recorded = Запис
caller-id-backs = Передзвони
caller-id-complaints = Скарги
caller-id-signs = Ознаки
caller-id-not-judged = не оцінюється: лінії цієї машини
caller-id-declared = заявлено { $date }
caller-id-undeclared = не заявлено
caller-id-state-IN = у пулі
caller-id-state-OUT = поза пулом
caller-id-state-RETIRED = знято
span-hour = година
span-day = доба
span-week = тиждень
sign-SHORT_TALKS = короткі розмови
sign-NEW_NUMBERS = переважно нові номери
sign-SILENT = тиша і втрачені
sign-RECORDED = записані повідомлення
sign-NO_CALL_BACK = не передзвонити
sign-COMPLAINTS = скарги
sign-ANSWERS_BELOW_POOL = відповідають рідше, ніж іншим


## Announcements

hist-announcement = Мережа сказала: { $meaning }
event-announcement = Оголошення мережі
announcement-not_in_service = номер не обслуговується
announcement-switched_off = вимкнено або поза зоною мережі
announcement-forbidden = вхідні дзвінки заборонено
announcement-no_funds = немає коштів на рахунку
announcement-voicemail = голосова пошта
announcement-ringback = гудки або мелодія замість них
announcement-ignored = не оголошення
announcement-unknown = не розпізнано
nav-announcements = Оголошення
announcements-hint = Що кажуть мережі до відповіді. Назвіть нове один раз: кожен наступний дзвінок, де воно звучить, матиме це значення.
announcements-new = Чекають на назву
announcements-known = Бібліотека
announcements-none = Ніщо не чекає на назву
announcements-none-hint = Нове оголошення з'явиться тут після першого дзвінка, де воно прозвучало.
announcements-heard = { $n ->
    [one] прозвучало в { $n } дзвінку
    [few] прозвучало в { $n } дзвінках
    [many] прозвучало в { $n } дзвінках
   *[other] прозвучало в { $n } дзвінка
 }
announcements-last = востаннє { $at }
announcements-listen = Оголошення { $id }, { $seconds } с
announcements-meaning = Що в ньому сказано?
announcements-language = Мова
announcements-carrier = Мережа
announcements-name = Зберегти назву
announcements-by = назвав(-ла) { $by }
announcements-dead = Проти номера говорить лише «номер не обслуговується»: два такі дні — і туди більше не дзвонять. Маєте сумнів — оберіть інше.
announcements-sound-gone = Запис більше не зберігається.


## Call-backs

calls-us-one = Дзвонить нам сам. Назвіться і спитайте, хто телефонує
calls-us-chosen = Дзвонить нам сам, особу обрали ви. Перевірте, хто це
caller-calls-us = Дзвонить нам
caller-unknown = Невідомий абонент
caller-none = Цього номера немає ні в кого. Назвіться і спитайте, хто телефонує; потім знайдіть особу
caller-several = Цей номер є у кількох позичальників ({ $n }). Назвіться, спитайте, хто телефонує, і оберіть особу
caller-dialed = Набрав наш номер
caller-hidden = Доки особу не обрано й не підтверджено, про борг не кажіть нічого. Дані ще не передано в браузер.
caller-who = Хто телефонує
caller-step = Спершу оберіть особу, потім перевірте її
caller-with-number = Позичальники з цим номером
caller-last-try = телефонували { $date }
caller-more = і ще { $n }: знайдіть за прізвищем
caller-search = Знайти особу
caller-search-hint = прізвище, договір, телефон, номер справи
caller-search-why = Пошук і вибір записуються в журнал
caller-find = Знайти
caller-not-found = Нікого не знайдено. Перепитайте прізвище або номер договору
caller-more-results = Решта результатів — коли оберете особу
caller-back = Це не та особа
caller-number-not-his = немає серед номерів особи
caller-number-offer = Особа телефонує з номера { $number }, якого в неї не було
caller-number-add = Додати номер особі
caller-number-added = Номер додано
script-caller = Добрий день! { $bank }, мене звати { $agent }. Скажіть, будь ласка, ваше прізвище, ім’я та по батькові.
input-outcome-CALLER_NOT_CHOSEN = Спершу оберіть особу: цей результат стосується позичальника
error-CALLER_NOT_CHOSEN = Не обрано, хто телефонує
remedy-CALLER_NOT_CHOSEN = Оберіть особу в картці або знайдіть її пошуком.
error-CALLER_CONFIRMED = Особу вже підтверджено
remedy-CALLER_CONFIRMED = Дзвінок лишається за цією особою. Якщо це хтось інший, скажіть про це результатом.
hist-call-in = Дзвінок від позичальника: { $result }
unknown-callers = Невідомі номери дзвонили нам
number-withheld = прихований номер
result-MISSED = Ніхто не відповів

## The agent's line

line-test = Перевірити лінію
line-test-first = Перед готовністю перевірте лінію: F2 або кнопка
line-test-calling = З'єднуємо ваш телефон для перевірки
line-test-speak = Скажіть кілька слів: ви маєте почути себе
line-test-heard = Вас чутно. А ви чуєте себе?
line-test-hint = Чуєте себе — підтвердьте. Не чуєте — перевірте навушники й мікрофон.
line-test-yes = Чую себе
bar-line-died = Дзвінок прийшов, а ваша лінія обірвалась: його передано наступному. Викликаємо ваш телефон знову.
bar-line-busy = Дзвінок прийшов, а ваша лінія була зайнята: його передано наступному. Станьте в готовність, коли звільнитесь.
pause-LINE_DIED = Лінія обірвалась
pause-LINE_BUSY = Лінія зайнята
pause-LINE_CHECK = Перевірка лінії
bad-phones = Поганий звук на телефонах: { $n }
phones-title = Звук телефонів
phones-hint = найгірше за 30 хв
line-sound = втрати { $loss } %, джитер { $jitter } мс
line-short = { $loss } % · { $jitter } мс
one-way-FROM_PHONE = від телефону нічого не чути
one-way-FROM_BORROWER = від позичальника нічого не чути
error-LINE_NOT_CHECKED = Лінію в цю зміну ще не перевірено
remedy-LINE_NOT_CHECKED = Натисніть «Перевірити лінію» і скажіть кілька слів.
error-LINE_NOT_UP = Ваш телефон не з'єднано
remedy-LINE_NOT_UP = Натисніть «Перевірити лінію»: телефон викличемо знову.
error-LINE_SILENT = З вашого телефону нічого не чути
remedy-LINE_SILENT = Перевірте мікрофон, скажіть кілька слів і підтвердьте ще раз.

## Lists and prompts

notice-given = Попереджено про запис: { $how }, { $time }
notice-by-script = за сценарієм
notice-by-prompt = голосом обом
notice-is-spoken = Про запис скаже система, щойно голоси зустрінуться
notice-said = Сказано про запис
script-recorded = Розмова записується.
notice-none = про запис не попереджено
no-prompts-title = Набір не йде: немає повідомлень
no-prompts-do = { $names } · дайте текст або запис, тоді backoffice prompts make
late-list-title = Список не прийшов: { $names }
late-list-do = його позичальникам сьогодні не телефонують, доки список не прийнято
rule-NO_FILE = Списку на сьогодні ще немає
rule-NOT_IN_FILE = Договору немає у списку, пояснення немає
rule-DPD_0 = Немає прострочення
rule-NO_DISPOSITION = Розмова без результату
rule-DISPUTE = Спір
rule-EVIDENCE = Чекають доказів
rule-STOP_REQUEST = Прохання не телефонувати
rule-SPECIALIST = У фахівця
rule-CHECK_POSTING = Перевірка зарахування
rule-CALLBACK = Обіцяно передзвонити

## Polish

bar-more = +30 с
bar-more-title = Ще 30 секунд на результат, один раз за дзвінок
search-title = Пошук: «{ $q }»
search-none = Нічого не знайдено
search-none-hint = Шукають номер справи, номер договору, телефон у будь-якому записі, прізвище з ім’ям. Перевірте запис.
search-many = Показано перші { $n }: уточніть запит.
case-no-result = Розмова без результату: не телефонують
fast-title = Результат швидше ніж за { $seconds } с
fast-today = сьогодні
fast-of = { $fast } із { $all }
alarms = Тривоги
alarms-more = { $n ->
    [one] Ще { $n } тривога
    [few] Ще { $n } тривоги
   *[many] Ще { $n } тривог
 }

## Errors

error-SERVER = Щось зламалося
remedy-SERVER = Спробуйте ще раз; якщо повториться, скажіть супервайзеру час і цю сторінку.
error-DATABASE_AWAY = База даних не відповідає
remedy-DATABASE_AWAY = Розмови тривають. Спробуйте за хвилину; зупинити набір можна файлом STOP або командою backoffice stop.
error-NOT_FOUND = Такого немає або воно не ваше
remedy-NOT_FOUND = Перевірте номер; справу без вашої розмови відкриває супервайзер.
error-NOT_ALLOWED = Ваша роль цього не дозволяє
remedy-NOT_ALLOWED = Попросіть супервайзера.
error-FOREIGN_REQUEST = Запит прийшов не з цієї сторінки
remedy-FOREIGN_REQUEST = Оновіть сторінку й повторіть.
error-LOGIN_NEEDED = Спершу увійдіть
remedy-LOGIN_NEEDED = Сеанс триває 12 годин.
error-BAD_REQUEST = Такий запит не приймається
remedy-BAD_REQUEST = Поверніться й повторіть.
error-BAD_INPUT = Щось вказано не так
remedy-BAD_INPUT = Перевірте поле й повторіть.
error-CONFLICT = Стан уже змінився
remedy-CONFLICT = Гляньте ще раз і повторіть.
error-NO_DISPOSITION = Останній дзвінок ще без результату
remedy-NO_DISPOSITION = Оберіть результат і збережіть його.
error-IN_CALL = Триває розмова
remedy-IN_CALL = Завершіть її та збережіть результат.
error-NO_SESSION = Ви ще не за столом
remedy-NO_SESSION = Відкрийте стіл і станьте в готовність.
error-NO_PHONE = У вас немає внутрішнього номера
remedy-NO_PHONE = Попросіть адміністратора.
error-EXCHANGE_AWAY = Телефонія не відповідає
remedy-EXCHANGE_AWAY = Покладіть слухавку на самому телефоні; результат можна зберегти.
error-PBX_LINK_DOWN = Телефонія не відповідає
remedy-PBX_LINK_DOWN = Спробуйте за кілька секунд.
error-PBX_ACTION_UNKNOWN = Телефонія не підтвердила
remedy-PBX_ACTION_UNKNOWN = Гляньте, чи дзвінок триває, і повторіть.
error-PBX_ACTION_REFUSED = Телефонія відмовила
remedy-PBX_ACTION_REFUSED = Покличте адміністратора.
error-IDENTITY_LOCKED = Перевірку особи закрито
remedy-IDENTITY_LOCKED = Три відповіді не збіглися; про борг не кажіть нічого.
error-OUTCOME_NEEDS_CONFIRMATION = Спершу підтвердьте особу
remedy-OUTCOME_NEEDS_CONFIRMATION = Або оберіть результат без розмови з боржником.

# Why a cell of a list is no number
phone-refused-EMPTY = Комірка порожня: запитайте номер у відділення.
phone-refused-PLACEHOLDER = «{ $piece }» — це не номер, а його відсутність: залиште комірку порожньою або запитайте номер у відділення.
phone-refused-EXCEL = Excel обрізав цифри в «{ $piece }»: задайте стовпцю формат «Текст» і вивантажте список ще раз.
phone-refused-SHORT = «{ $piece }» закороткий для номера абонента: напишіть його повністю, з кодом.
phone-refused-NO_AREA_CODE = «{ $piece }» — місцевий номер: допишіть код міста або вкажіть код відділення разом зі списком.
phone-refused-LETTERS = Серед цифр у «{ $piece }» стоять літери: виправте номер у системі банку.
phone-refused-WORDS = У «{ $piece }» немає номера: запитайте його у відділення.
phone-refused-PREMIUM = «{ $piece }» — платна лінія, там ніхто не живе: запитайте номер позичальника у відділення.
phone-refused-IMPOSSIBLE = Номера «{ $piece }» не може бути ({ $country }): перевірте цифри, а закордонний напишіть з «+».
